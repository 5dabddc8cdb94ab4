"""What was published can be looked at, edited and called back."""

from uuid import UUID, uuid4

import httpx
import pytest

from notify.app import Service
from support.audiences import EVERYONE, publish, subscribe, titles

ALICE = {"user_id": "alice"}


async def operation(client: httpx.AsyncClient, id_: str) -> dict[str, object]:
    answer = await client.get(f"/v1/operations/{id_}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_it_counts_when_it_is_asked(client: httpx.AsyncClient) -> None:
    for user in ("alice", "bob", "carol"):
        await subscribe(client, user, "a")
    id_ = await publish(client, {"topics": ["a", "b"]}, "news", exclude=["carol"], data={"n": 1}, type="t")
    found = await operation(client, id_)
    assert found["counted"] == {"audience": 2, "pulled": 0, "delivered": 0, "seen": 0, "read": 0}
    assert {name: found[name] for name in ("id", "topics", "exclude", "title", "data", "type", "recalled_at")} == {
        "id": id_,
        "topics": ["a", "b"],
        "exclude": ["carol"],
        "title": "news",
        "data": {"n": 1},
        "type": "t",
        "recalled_at": None,
    }
    await titles(client, "alice")
    await titles(client, "bob")
    (item,) = (await client.get("/v1/notifications", params=ALICE)).json()["items"]
    position = (await client.post(f"/v1/notifications/{item['id']}/read", params=ALICE)).json()["position"]
    await client.post("/v1/ack", params=ALICE, json={"device": "phone", "position": position})
    counted = (await operation(client, id_))["counted"]
    assert counted == {"audience": 2, "pulled": 2, "delivered": 1, "seen": 1, "read": 1}


async def test_how_many_everyone_are_is_not_known(client: httpx.AsyncClient) -> None:
    found = await operation(client, await publish(client, EVERYONE))
    assert found["topics"] == []
    assert found["counted"] == {"audience": None, "pulled": 0, "delivered": 0, "seen": 0, "read": 0}


async def test_an_edit_reaches_those_who_have_it_and_those_who_do_not_yet(client: httpx.AsyncClient) -> None:
    for user in ("alice", "bob"):
        await titles(client, user)
    id_ = await publish(client, EVERYONE, "first", body="a body", data={"n": 1})
    assert await titles(client, "alice") == ["first"]
    after = (await client.get("/v1/changes", params=ALICE)).json()["position"]
    for title in ("second", "third"):
        answer = await client.patch(f"/v1/operations/{id_}", json={"title": title, "body": None})
        assert (answer.status_code, answer.json()["title"]) == (200, title)
    changes = (await client.get("/v1/changes", params={**ALICE, "after": after})).json()
    assert [(item["event"], item["data"]["title"], item["data"]["body"]) for item in changes["items"]] == [
        ("update", "third", None)
    ]
    (item,) = (await client.get("/v1/notifications", params={"user_id": "bob"})).json()["items"]
    assert (item["title"], item["body"], item["data"]) == ("third", None, {"n": 1})


async def test_an_edit_changes_nothing_else_of_what_a_user_did(client: httpx.AsyncClient) -> None:
    await titles(client, "alice")
    id_ = await publish(client, EVERYONE, "first")
    (item,) = (await client.get("/v1/notifications", params=ALICE)).json()["items"]
    await client.post(f"/v1/notifications/{item['id']}/archive", params=ALICE)
    gone = await publish(client, EVERYONE, "second")
    (other,) = (await client.get("/v1/notifications", params=ALICE)).json()["items"]
    await client.delete(f"/v1/notifications/{other['id']}", params=ALICE)
    for each in (id_, gone):
        await client.patch(f"/v1/operations/{each}", json={"title": "edited"})
    items = (await client.get("/v1/notifications", params={**ALICE, "status": "all"})).json()["items"]
    assert [(each["id"], each["title"], each["archived_at"] is not None) for each in items] == [
        (item["id"], "edited", True)
    ]


async def test_a_recall_takes_it_back_and_from_those_who_come_later(client: httpx.AsyncClient) -> None:
    for user in ("alice", "bob"):
        await titles(client, user)
    id_ = await publish(client, EVERYONE, "wrong")
    kept = await publish(client, EVERYONE, "right")
    assert await titles(client, "alice") == ["right", "wrong"]
    after = (await client.get("/v1/changes", params=ALICE)).json()["position"]
    for _ in range(2):
        assert (await client.delete(f"/v1/operations/{id_}")).status_code == 204
    changes = (await client.get("/v1/changes", params={**ALICE, "after": after})).json()["items"]
    assert [item["event"] for item in changes] == ["delete"]
    for user in ("alice", "bob", "late"):
        assert await titles(client, user) == ["right"]
    assert (await operation(client, id_))["recalled_at"] is not None
    assert (await client.patch(f"/v1/operations/{id_}", json={"title": "b"})).status_code == 404
    assert (await client.patch(f"/v1/operations/{kept}", json={"title": "b"})).status_code == 200


async def test_however_often_something_is_edited_nobody_misses_what_else_was_published_or_recalled(
    service: Service, client: httpx.AsyncClient
) -> None:
    for user in ("alice", "bob"):
        await titles(client, user)
    wrong = await publish(client, EVERYONE, "wrong")
    kept = await publish(client, EVERYONE, "kept")
    assert await titles(client, "alice") == ["kept", "wrong"]
    await client.delete(f"/v1/operations/{wrong}")
    for n in range(3):
        await client.patch(f"/v1/operations/{kept}", json={"title": f"{n}"})
    async with service.database.connection() as connection:
        # As many edits as nobody wants to wait for.
        head = await connection.fetchval(
            """
            INSERT INTO notify.entries (app_id, key, position, publication_id, change, entered_at)
            SELECT 'default', '*', head + n, $1, 'edit', now() FROM notify.logs, generate_series(1, 1500) AS n
            WHERE app_id = 'default'
            RETURNING (SELECT head + 1500 FROM notify.logs WHERE app_id = 'default')
            """,
            UUID(kept),
        )
        await connection.execute("UPDATE notify.logs SET head = $1 WHERE app_id = 'default'", head)
    for user in ("alice", "bob"):
        assert await titles(client, user) == ["2"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_nobody_reaches_what_another_app_published(client: httpx.AsyncClient, method: str) -> None:
    await client.post("/v1/apps", json={"id": "other", "name": "Other"})
    made = await client.post("/v1/apps/other/keys", json={"name": "a key", "scopes": ["send", "inbox"]})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    id_ = await publish(client, EVERYONE)
    body = {"title": "taken over"} if method == "PATCH" else None
    for each in (id_, str(uuid4()), str(UUID(int=0))):
        answer = await client.request(method, f"/v1/operations/{each}", json=body, headers=headers)
        assert answer.status_code == 404, answer.text
    page = await client.get("/v1/notifications", params=ALICE, headers=headers)
    assert page.json()["items"] == []
    assert (await operation(client, id_))["title"] == "news"


async def test_whoever_has_unsubscribed_since_sees_it_changed_and_called_back(client: httpx.AsyncClient) -> None:
    await subscribe(client, "alice", "orders/*")
    id_ = await publish(client, {"topic": "orders/eu"}, "first")
    assert await titles(client, "alice") == ["first"]
    await client.delete("/v1/subscriptions", params={**ALICE, "topic": "orders/*"})
    await client.patch(f"/v1/operations/{id_}", json={"title": "second"})
    assert await titles(client, "alice") == ["second"]
    await client.delete(f"/v1/operations/{id_}")
    assert await titles(client, "alice") == []
