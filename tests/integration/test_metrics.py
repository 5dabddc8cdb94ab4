"""/metrics: the names that dashboards are built on, and that the figures behind them move."""

import re
from datetime import timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from notify.app import Service
from support.calls import ALICE, mark, send
from support.clock import ManualClock

NAMES = {
    "notify_requests_total": "counter",
    "notify_request_seconds": "histogram",
    "notify_created_total": "counter",
    "notify_changed_total": "counter",
    "notify_batch_rows": "histogram",
    "notify_commit_seconds": "histogram",
    "notify_batch_retries_total": "counter",
    "notify_queued_rows": "gauge",
    "notify_pool_connections": "gauge",
    "notify_outbox_rows": "gauge",
    "notify_outbox_age_seconds": "gauge",
    "notify_purged_total": "counter",
    "notify_retention_rows_total": "counter",
    "notify_retention_progress": "gauge",
    "notify_retention_ended_timestamp_seconds": "gauge",
    "notify_listen_reconnects_total": "counter",
}


async def figures(client: httpx.AsyncClient) -> dict[str, float]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    pairs = re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", answer.text, re.MULTILINE)
    return {name: float(value) for name, value in pairs}


async def test_every_name_is_there_with_its_kind_and_meaning(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"Authorization": ""})
    assert answer.headers["content-type"].startswith("text/plain")
    for name, kind in NAMES.items():
        plain = name.removesuffix("_total") if kind == "counter" else name
        assert re.search(rf"^# TYPE ({plain}|{name}) {kind}$", answer.text, re.MULTILINE), name
        assert re.search(rf"^# HELP ({plain}|{name}) \S", answer.text, re.MULTILINE), name


async def test_requests_are_counted_by_route_never_by_path(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await client.get(f"/v1/notifications/{uuid4()}")
        await client.get(f"/nowhere/{uuid4()}")
    await client.get("/v1/notifications/count", params=ALICE)
    found = await figures(client)
    route = "/v1/notifications/{notification_id}"
    assert found[f'notify_requests_total{{method="GET",route="{route}",status="404"}}'] == 3
    assert found['notify_requests_total{method="*",route="(none)",status="404"}'] == 3
    assert found['notify_requests_total{method="GET",route="/v1/notifications/count",status="200"}'] == 1
    assert found[f'notify_request_seconds_count{{method="GET",route="{route}"}}'] == 3


async def test_creates_and_changes_are_counted_by_notification(client: httpx.AsyncClient) -> None:
    await client.post("/v1/notifications", json={"to": ["alice", "bob", "carol"], "title": "x"})
    id_ = await send(client)
    for name in ("seen", "seen", "read", "archive"):
        await mark(client, id_, name)
    await client.patch(f"/v1/notifications/{id_}", json={"title": "edited"})
    await client.delete(f"/v1/notifications/{id_}", params=ALICE)
    await client.post("/v1/notifications/read-all", params=ALICE)
    found = await figures(client)
    assert found['notify_created_total{source="api"}'] == 4
    changed = {
        name: found[f'notify_changed_total{{action="{name}"}}'] for name in ("seen", "archive", "edit", "delete")
    }
    assert changed == {"seen": 1, "archive": 1, "edit": 1, "delete": 1}
    assert found['notify_changed_total{action="read"}'] == 2


async def test_what_is_replayed_is_not_counted_again(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post("/v1/notifications", json={"to": "alice", "title": "x"}, headers={"Idempotency-Key": "one"})
    assert (await figures(client))['notify_created_total{source="api"}'] == 1


async def test_group_commits_show_their_rows_and_time(client: httpx.AsyncClient) -> None:
    await client.post("/v1/notifications", json={"to": [f"user {n}" for n in range(30)], "title": "x"})
    found = await figures(client)
    assert (found["notify_batch_rows_count"], found["notify_batch_rows_sum"]) == (1, 30)
    assert found["notify_commit_seconds_count"] == 1
    assert found["notify_commit_seconds_sum"] > 0
    assert found["notify_queued_rows"] == 0


async def test_the_pool_shows_its_connections(client: httpx.AsyncClient, service: Service) -> None:
    async with service.database.connection():
        found = await figures(client)
        assert found['notify_pool_connections{state="in_use"}'] >= 1
    found = await figures(client)
    assert 1 <= sum(found[f'notify_pool_connections{{state="{state}"}}'] for state in ("in_use", "idle")) <= 8


async def test_the_outbox_shows_its_depth_and_age(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await service.outbox.stop()
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notify.outbox (user_id, title, created_at)"
            " SELECT 'alice', n::text, %s FROM generate_series(1, 3) AS n",
            [clock.now() - timedelta(seconds=90)],
        )
        connection.execute("UPDATE notify.outbox SET failed_at = now() WHERE title = '3'")
    found = await figures(client)
    assert found['notify_outbox_rows{state="waiting"}'] == 2
    assert found['notify_outbox_rows{state="failed"}'] == 1
    assert found["notify_outbox_age_seconds"] == pytest.approx(90, abs=1)
    assert not await service.outbox.claim(500)
    found = await figures(client)
    assert found['notify_outbox_rows{state="waiting"}'] == 0
    assert found["notify_outbox_age_seconds"] == 0
    assert found['notify_created_total{source="outbox"}'] == 2
