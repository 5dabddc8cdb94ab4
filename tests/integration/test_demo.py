"""The page at `/` and what it works with: a credential leaves for a browser on this machine, and for nobody else."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from notify.api.html import body_of
from notify.app import Service
from notify.cli.serve import demo_ground
from notify.cli.surroundings import Surroundings
from notify.settings import Settings
from notify.store.demo import DemoGround
from support.clock import ManualClock
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY

HOST = "127.0.0.1:8000"
OF_A_BROWSER = {"Host": HOST, "Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
FROM_ELSEWHERE: tuple[dict[str, str], ...] = (
    {"Host": "notify.example"},  # a name that was made to point here
    {"Host": "127.0.0.1.evil.example:8000"},
    {"Host": "localhost.evil.example:8000"},
    {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
    {"Host": "0.0.0.0:8000", "Origin": "http://0.0.0.0:8000"},
    {"Host": "[::ffff:192.0.2.7]:8000"},
    {"Host": ""},
    {"Origin": "https://shop.example"},
    {"Origin": "http://localhost:8000"},  # this machine, and another origin
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "https://127.0.0.1:8000"},  # a proxy with TLS that renames the host
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-Host": HOST},
    {"X-Forwarded-Proto": "http"},
    {"X-Real-IP": "127.0.0.1"},
    {"X-Original-Host": HOST},
    {"X-Client-IP": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
    {"Via": "1.1 proxy"},
    {"CF-Connecting-IP": "127.0.0.1"},
    {"True-Client-IP": "127.0.0.1"},
)
"""What gives away each request that is not of our own page, in a browser on this machine, with nothing between."""


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is shown here is the same on every PostgreSQL.
    return database_url


class Stage:
    """A service with a demo, asked from any address."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.folder = folder

    async def ask(
        self,
        headers: Mapping[str, str] = OF_A_BROWSER,
        *,
        method: str = "POST",
        path: str = "/demo",
        peer: str = "127.0.0.1",
    ) -> httpx.Response:
        transport = httpx.ASGITransport(cast(Any, self.service.asgi), client=(peer, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, headers=headers)

    async def get(self, path: str, key: str, peer: str = "127.0.0.1") -> httpx.Response:
        return await self.ask({"Authorization": f"Bearer {key}", "Host": HOST}, method="GET", path=path, peer=peer)

    async def audited(self) -> list[dict[str, Any]]:
        noted: list[dict[str, Any]] = []
        for app in ("default", "notify-demo"):
            answer = await self.ask(ADMIN | {"Host": HOST}, method="GET", path=f"/v1/audit?app={app}")
            noted += answer.json()["items"]
        return noted


@asynccontextmanager
async def staged(url: str, folder: Path, clock: ManualClock) -> AsyncIterator[Stage]:
    settings = Settings(database_url=url, admin_key=ADMIN_KEY, data_dir=folder)
    async with Service(settings, clock, DemoGround(folder, Path("/usr/bin/psql"))).running() as service:
        yield Stage(service, folder)


@pytest.fixture
async def stage(database_url: str, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Stage]:
    async with staged(database_url, tmp_path, clock) as stage:
        yield stage


async def test_a_browser_on_this_machine_is_given_a_key_of_an_app_of_its_own(stage: Stage, clock: ManualClock) -> None:
    answer = await stage.ask()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    given = answer.json()
    assert given["app"] == "notify-demo"
    assert (await stage.get("/v1/notifications?user_id=alice", given["key"])).json()["items"] == []
    for path in ("/v1/apps", "/v1/audit", "/v1/apps/notify-demo/keys", "/v1/apps/default"):
        problem_in(await stage.get(path, given["key"]), 403, "forbidden")
    for user in given["users"]:
        lives = datetime.fromisoformat(user["expires_at"]) - clock.now()
        assert timedelta(minutes=14) < lives <= timedelta(minutes=15)
        assert (await stage.get("/v1/notifications", user["token"])).status_code == 200
        problem_in(await stage.get("/v1/notifications?user_id=mallory", user["token"]), 403, "forbidden")
    assert stage.folder.joinpath("demo.key").stat().st_mode & 0o777 == 0o600


async def test_the_key_is_worth_nothing_elsewhere(stage: Stage) -> None:
    key = (await stage.ask()).json()["key"]
    problem_in(await stage.get("/v1/notifications?user_id=alice", key, peer="192.0.2.7"), 403, "forbidden")


async def test_no_other_request_is_given_anything(stage: Stage) -> None:
    for change in FROM_ELSEWHERE:
        answer = await stage.ask({**OF_A_BROWSER, **change})
        assert answer.status_code == 404, change
        assert "nk_" not in answer.text
    assert not stage.folder.joinpath("demo.key").exists()
    assert await stage.audited() == []


async def test_another_machine_is_given_nothing_whatever_it_says(stage: Stage) -> None:
    for peer in ("192.0.2.7", "10.0.0.1", "2001:db8::1", "0.0.0.0", "somebody"):  # noqa: S104
        problem_in(await stage.ask(peer=peer), 404, "not-found")
        assert body_of("demo") not in (await stage.ask(method="GET", path="/", peer=peer)).text
    assert not stage.folder.joinpath("demo.key").exists()


async def test_each_name_of_this_machine_will_do(stage: Stage) -> None:
    for host in ("localhost:8000", "127.0.0.1", "LOCALHOST:8000", "[::1]:8000"):
        headers = {**OF_A_BROWSER, "Host": host, "Origin": f"http://{host}"}
        assert (await stage.ask(headers)).status_code == 200, host
    assert (await stage.ask(peer="::1")).status_code == 200


async def test_two_hosts_and_http_of_long_ago_are_refused(stage: Stage) -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/demo",
        "raw_path": b"/demo",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in OF_A_BROWSER.items()],
    }

    async def status(**changes: Any) -> int:
        told: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        await stage.service.asgi({**scope, "state": {}, **changes}, receive, send)  # type: ignore[arg-type]
        found: int = told[0]["status"]
        return found

    assert await status() == 200
    assert await status(http_version="1.0") == 404
    assert await status(headers=[*scope["headers"], (b"host", b"localhost")]) == 404
    assert await status(client=None) == 404, "a Unix socket, behind which stands a proxy"


async def test_the_key_stays_the_same_and_its_making_is_audited(
    database_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    async with staged(database_url, tmp_path, clock) as first:
        key = (await first.ask()).json()["key"]
        assert (await first.ask()).json()["key"] == key
    async with staged(database_url, tmp_path, clock) as second:
        assert (await second.ask()).json()["key"] == key
        noted = await second.audited()
        assert sorted((each["action"], each["actor"], each["address"]) for each in noted) == [
            ("createApp", "demo page", "127.0.0.1"),
            ("createKey", "demo page", "127.0.0.1"),
        ]
        assert key not in str(noted)


async def test_a_key_that_ends_soon_or_was_revoked_is_replaced(stage: Stage, clock: ManualClock) -> None:
    first = (await stage.ask()).json()["key"]
    clock.advance(timedelta(days=25))
    second = (await stage.ask()).json()["key"]
    assert second != first
    keys = (await stage.ask(ADMIN | {"Host": HOST}, method="GET", path="/v1/apps/notify-demo/keys")).json()["items"]
    revoked = await stage.ask(
        ADMIN | {"Host": HOST}, method="DELETE", path=f"/v1/apps/notify-demo/keys/{keys[-1]['id']}"
    )
    assert revoked.status_code == 204
    assert (await stage.ask()).json()["key"] not in {first, second}


async def test_a_key_of_another_app_in_its_file_is_not_shown(stage: Stage) -> None:
    made = await stage.ask(ADMIN | {"Host": HOST}, method="GET", path="/v1/apps")
    assert made.status_code == 200
    stage.folder.joinpath("demo.key").write_text(ADMIN_KEY)
    assert (await stage.ask()).json()["key"] != ADMIN_KEY


async def test_the_page_holds_no_secret_and_is_shown_on_this_machine_only(stage: Stage) -> None:
    shown = await stage.ask({"Host": HOST}, method="GET", path="/")
    assert body_of("demo") in shown.text
    for headers in ({"Host": "notify.example"}, {"Host": HOST, "X-Forwarded-For": "127.0.0.1"}):
        answer = await stage.ask(headers, method="GET", path="/")
        assert answer.status_code == 200
        assert "This is notify" in answer.text
        assert body_of("demo") not in answer.text
        assert "nk_" not in answer.text
    assert "nk_" not in shown.text


async def test_without_a_ground_there_is_no_demo(client: httpx.AsyncClient) -> None:
    problem_in(await client.post("/demo", headers=OF_A_BROWSER), 404, "not-found")
    answer = await client.get("/", headers={"Host": HOST})
    assert "This is notify" in answer.text
    assert "ready" in answer.text


def test_the_ground_is_an_embedded_database_on_a_loopback_address() -> None:
    psql = Path("/usr/bin/psql")
    embedded = Surroundings(Settings(), "18.6", psql)
    for address in ("127.0.0.1", "::1", "127.0.0.9"):
        assert demo_ground(embedded, address) == DemoGround(Settings().data_dir, psql)
    for address in ("0.0.0.0", "::", "192.0.2.7", "10.0.0.1"):  # noqa: S104
        assert demo_ground(embedded, address) is None
    assert demo_ground(Surroundings(Settings(), None, None), "127.0.0.1") is None
    assert demo_ground(Surroundings(Settings(demo=False), "18.6", psql), "127.0.0.1") is None
