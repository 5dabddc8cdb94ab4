"""Listing the devices that acknowledge."""

from typing import Any

import httpx
import pytest

from support.calls import ALICE, changes, send
from support.problems import problem_in


async def acknowledge(client: httpx.AsyncClient, *devices: str) -> None:
    position = (await changes(client))["position"]
    for device in devices:
        answer = await client.post("/v1/ack", params=ALICE, json={"device": device, "position": position})
        assert answer.status_code == 204, answer.text


async def page(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/devices", params={**ALICE, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("limit", [1, 2, 6, 7])
async def test_pages_have_no_gap_and_no_duplicate_whatever_devices_are_called(
    client: httpx.AsyncClient, limit: int
) -> None:
    # By their bytes. One needs a cursor as long as they come.
    devices = ["A tablet", "phone-1f3a", "télé", "x.y/z", "日本", "🛎" * 100]
    await send(client)
    await acknowledge(client, *reversed(devices))
    shown: list[str] = []
    query: dict[str, str] = {}
    while True:
        found = await page(client, limit=limit, **query)
        shown += [item["device"] for item in found["items"]]
        if found["next_cursor"] is None:
            break
        assert len(found["items"]) == limit
        assert found["next_cursor"] not in devices, "it is opaque"
        query["cursor"] = found["next_cursor"]
    assert shown == devices


async def test_a_page_goes_on_where_the_one_before_ended_though_that_device_is_gone(client: httpx.AsyncClient) -> None:
    await send(client)
    await acknowledge(client, "b", "d", "f")
    first = await page(client, limit=2)
    assert (await client.delete("/v1/devices", params={**ALICE, "device": "d"})).status_code == 204
    await acknowledge(client, "a", "e")
    rest = await page(client, cursor=first["next_cursor"])
    assert [item["device"] for item in rest["items"]] == ["e", "f"]


@pytest.mark.parametrize(("name", "value"), [("limit", 0), ("limit", 101), ("cursor", "!"), ("cursor", "AA"), ("x", 1)])
async def test_what_a_list_does_not_take_is_refused(client: httpx.AsyncClient, name: str, value: Any) -> None:
    problem = problem_in(await client.get("/v1/devices", params={**ALICE, name: value}), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [name]
