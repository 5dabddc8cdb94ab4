"""What is not durable when the database is lost: whoever is answered has been shown once, and nothing comes twice."""

from contextlib import AsyncExitStack

import pytest

from support.processes import ADMIN
from support.stand import Stand
from support.streams import EventStream

either_way = pytest.mark.parametrize(
    "forwarded", [pytest.param(True, id="after_it_was_done"), pytest.param(False, id="before_it_was_seen")]
)


@either_way
@pytest.mark.parametrize(("statement", "key"), [("^-- flash:", None), ("^-- flash:", "key"), ("^COMMIT", "key")])
async def test_a_flash_whose_answer_is_lost_is_shown_once(
    stand: Stand,
    user: str,
    statement: str,
    key: str | None,
    forwarded: bool,  # noqa: FBT001
) -> None:
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(await EventStream.open(process.url, query={"user_id": user, "from": "now"}))
            for process in stand.processes
        ]
        for stream in (here, there):
            await stream.until("inbox")
        headers = ADMIN if key is None else ADMIN | {"Idempotency-Key": f"{user}-{key}"}
        body = {"to": user, "title": "One", "durable": False}
        fault = stand.proxy.lose(statement, forwarded=forwarded)
        answer = stand.client.post("/v1/notifications", json=body, headers=headers)
        assert fault.happened == 1
        assert answer.status_code == 202, answer.text
        assert "Idempotency-Replayed" not in answer.headers
        assert (await there.the("notification")).json()["id"] == answer.json()["id"]
        # Once this one is seen here, so is the ring for the other.
        stand.clients[1].post("/v1/notifications", json={**body, "title": "end"})
        assert [block.json()["title"] for block in await here.until("notification")] == ["One"]
        assert [block.json()["title"] for block in await here.until("notification")] == ["end"]
        assert [block.json()["title"] for block in await there.until("notification")] == ["end"]
