"""The audit log: administrative acts are noted before they are done, and how they ended after that."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar.routes import HTTPRoute

from notify.api.application import application
from notify.app import Service
from notify.core.errors import DatabaseAwayError
from notify.store.audit import Act
from support.calls import ALICE
from support.clock import ManualClock
from support.credentials import app, bearer, key, token
from support.invariants import rows
from support.problems import problem_in

TOPIC = {"topic": "orders/eu"}
SOME_ID = "01a1fd61-d36a-7e3b-90cb-826a32323436"


async def log(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/audit", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def the_act(client: httpx.AsyncClient, action: str, **query: Any) -> dict[str, Any]:
    (entry,) = await log(client, action=action, **query)
    return entry


def acts() -> dict[str, Any]:
    return {
        str(handler.operation_id): handler.opt["route"]
        for found in application().routes
        if isinstance(found, HTTPRoute)
        for handler, _ in found.route_handler_map.values()
        if "route" in handler.opt and handler.opt["route"].audited
    }


def test_these_calls_are_administrative_acts() -> None:
    assert acts().keys() >= {
        "createApp",
        "createKey",
        "revokeKey",
        "setTopic",
        "unsetTopic",
        "setRetention",
        "unsetRetention",
        "revokeSession",
        "revokeSessions",
    }
    assert not acts().keys() & {"listKeys", "listAudit", "createToken", "createNotification"}


async def test_it_says_who_did_what_when_and_from_where(client: httpx.AsyncClient, clock: ManualClock) -> None:
    before = clock.now()
    answer = await client.put(
        "/v1/topics", params=TOPIC, json={"self_service": True}, headers={"X-Request-ID": "request-7"}
    )
    assert answer.status_code == 200
    entry = await the_act(client, "setTopic")
    at, ended_at = datetime.fromisoformat(entry.pop("at")), datetime.fromisoformat(entry.pop("ended_at"))
    assert before < at < ended_at < clock.now()
    assert entry.pop("id")
    assert entry == {
        "app": "default",
        "actor": "admin key",
        "actor_name": None,
        "action": "setTopic",
        "about": {"topic": "orders/eu", "self_service": True, "late_entries": None, "late_seconds": None},
        "address": "127.0.0.1",
        "request_id": "request-7",
        "status": 200,
    }


async def test_a_new_key_is_named_and_nowhere_shown(client: httpx.AsyncClient, any_database_url: str) -> None:
    made = (await client.post("/v1/apps/default/keys", json={"name": "orders", "scopes": ["admin"]})).json()
    entry = await the_act(client, "createKey")
    assert entry["about"] == {"app": "default", "name": "orders", "scopes": ["admin"], "key_id": made["id"]}
    for said, status in ((7, 422), (True, 200)):
        answer = await client.put("/v1/topics", params=TOPIC, json={"self_service": said}, headers=bearer(made["key"]))
        assert answer.status_code == status
    done, refused = await log(client, action="setTopic")
    assert (done["status"], refused["status"]) == (200, 422)
    assert refused["about"] == TOPIC
    for entry in (done, refused):
        assert (entry["actor"], entry["actor_name"]) == (f"key:{made['id']}", f"{made['prefix']}… orders")
    assert made["key"] not in str(rows(any_database_url, "SELECT * FROM notify.audit"))


async def test_what_was_refused_is_noted_and_of_strangers_nothing(client: httpx.AsyncClient) -> None:
    path = f"/v1/apps/default/keys/{SOME_ID}"
    for headers, status in (
        ({"Authorization": "Bearer nk_unknown"}, 401),
        ({"Authorization": ""}, 401),
        (bearer(await key(client, "send")), 403),
        (bearer(await token(client, "alice")), 403),
        (dict(client.headers), 404),
    ):
        assert (await client.delete(path, headers=headers)).status_code == status
    not_found, of_a_user, of_a_key = await log(client, action="revokeKey")
    assert (not_found["actor"], not_found["status"]) == ("admin key", 404)
    assert (of_a_user["actor"], of_a_user["status"]) == ("user:alice", 403)
    assert of_a_key["actor"].startswith("key:")
    assert of_a_key["status"] == 403
    assert not_found["about"] == of_a_key["about"] == {"app": "default", "key_id": SOME_ID}


@pytest.mark.parametrize("odd", ["\0", "\ud800", "x" * 10_000, "ß\n"])
async def test_what_is_odd_is_noted_as_far_as_it_can_be(client: httpx.AsyncClient, odd: str) -> None:
    shown = odd.encode("utf-8", "surrogatepass")
    query = "topic=" + "".join(f"%{byte:02x}" for byte in shown)
    assert (await client.delete(f"/v1/topics?{query}&token=secret&{query}")).status_code == 422
    entry = await the_act(client, "unsetTopic")
    assert entry["about"].keys() == {"topic"}
    assert len(entry["about"]["topic"]) == 2
    assert "secret" not in str(entry)
    answer = await client.post("/v1/apps/%00/keys", json={"name": "a key", "scopes": ["send"]})
    assert answer.status_code == 404
    assert (await the_act(client, "createKey"))["about"]["app"] == "\ufffd"


async def test_what_cannot_be_noted_is_not_done(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.put("/v1/topics", params=TOPIC, json={"self_service": True})
    execute = service.database.execute

    async def all_but(statement: str, *arguments: Any) -> list[asyncpg.Record]:
        if statement == "audit_begin":
            raise DatabaseAwayError
        return await execute(statement, *arguments)

    monkeypatch.setattr(service.database, "execute", all_but)
    problem_in(await client.delete("/v1/topics", params=TOPIC), 503, "database-away")
    assert (await client.get("/v1/topics")).json()["items"] != []


@pytest.fixture
def cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an act comes to cannot be written."""
    execute = service.database.execute

    async def all_but(statement: str, *arguments: Any) -> list[asyncpg.Record]:
        if statement == "audit_end":
            raise DatabaseAwayError
        return await execute(statement, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(service.database, "execute", all_but)
        yield


@pytest.mark.usefixtures("cut_off")
async def test_what_was_done_is_answered_so_even_if_that_cannot_be_noted_any_more(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/topics", params=TOPIC, json={"self_service": True})
    assert answer.status_code == 200
    entry = await the_act(client, "setTopic")
    assert (entry["status"], entry["ended_at"]) == (None, None)


async def test_of_a_process_that_died_in_between_the_beginning_is_left(
    client: httpx.AsyncClient, service: Service
) -> None:
    with pytest.raises(KeyboardInterrupt):
        async with service.audit.noted(Act("default", "cli:root@here", "newEpoch", {})):
            raise KeyboardInterrupt
    assert (await the_act(client, "newEpoch"))["status"] is None
    with pytest.raises(DatabaseAwayError):
        async with service.audit.noted(Act("default", "cli:root@here", "runRetention", {})):
            raise DatabaseAwayError
    assert (await the_act(client, "runRetention"))["status"] is None


async def test_what_failed_in_an_unforeseen_way_is_noted_as_that(client: httpx.AsyncClient, service: Service) -> None:
    with pytest.raises(ZeroDivisionError):
        async with service.audit.noted(Act("default", "cli:root@here", "newEpoch", {})):
            raise ZeroDivisionError
    assert (await the_act(client, "newEpoch"))["status"] == 500


async def test_an_app_sees_its_own_and_the_operator_all(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    of_shop = await key(client, "admin", app_id="shop")
    of_default = await key(client, "admin")
    await client.put("/v1/topics", params=TOPIC, json={"self_service": True}, headers=bearer(of_shop))
    # Whoever reaches for another app is noted in their own.
    answer = await client.post(
        "/v1/apps/default/keys", json={"name": "not mine", "scopes": ["admin"]}, headers=bearer(of_shop)
    )
    assert answer.status_code == 403

    def seen(entries: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
        return [(entry["app"], entry["action"], entry["status"]) for entry in entries]

    shops = [("shop", "createKey", 403), ("shop", "setTopic", 200), ("shop", "createKey", 201)]
    assert seen(await log(client, app="shop")) == shops
    client.headers.update(bearer(of_shop))
    assert seen(await log(client)) == seen(await log(client, app="shop")) == shops
    problem_in(await client.get("/v1/audit", params={"app": "default"}), 403, "forbidden")
    client.headers.update(bearer(of_default))
    assert seen(await log(client)) == [("default", "createKey", 201), ("default", "createApp", 201)]


async def test_it_is_read_page_by_page_newest_first_and_narrowed(client: httpx.AsyncClient, clock: ManualClock) -> None:
    times = []
    for number in range(7):
        times.append(clock.now())
        await client.delete("/v1/topics", params={"topic": f"t{number}"})
        clock.advance(timedelta(minutes=1))
    entries = await log(client)
    assert [entry["about"]["topic"] for entry in entries] == [f"t{number}" for number in reversed(range(7))]
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/audit", params={"limit": 3, **cursor})).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == entries
    since, until = times[2].isoformat(), times[5].isoformat()
    narrowed = await log(client, since=since, until=until)
    assert [entry["about"]["topic"] for entry in narrowed] == ["t4", "t3", "t2"]
    assert await log(client, actor="key:nobody") == await log(client, action="createApp") == []
    assert await log(client, actor="admin key", action="unsetTopic") == entries
    problem_in(await client.get("/v1/audit", params={"cursor": "x"}), 422, "invalid")


async def test_it_is_kept_as_long_as_was_said(client: httpx.AsyncClient, service: Service, clock: ManualClock) -> None:
    await service.housekeeping.stop()
    await client.delete("/v1/topics", params={"topic": "old"})
    clock.advance(timedelta(days=200))
    await client.delete("/v1/topics", params={"topic": "young"})
    clock.advance(timedelta(days=200))
    await service.housekeeping.tidy()
    assert [entry["about"] for entry in await log(client)] == [{"topic": "young"}]


async def test_what_is_no_act_is_not_noted(client: httpx.AsyncClient) -> None:
    await client.get("/v1/topics")
    await client.post("/v1/tokens", json=ALICE)
    await client.post("/v1/notifications", json={"to": "alice", "title": "a title"})
    await client.get("/v1/audit")
    assert await log(client) == []
