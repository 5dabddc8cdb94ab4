"""Clients that follow an inbox through `/v1/changes`, and check all they see against all they have seen."""

import asyncio
import random
from typing import Any

import httpx

from support.processes import ADMIN
from support.waiting import eventually

__all__ = ("Follower", "Inbox", "Look")

_PAUSE_SECONDS = 0.01
_GIVE_UP_SECONDS = 60.0


class Inbox:
    """What all followers of a user have seen: under each position one change, the same for everyone."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.ids: list[str] = []
        """Notifications that somebody may mark."""

        self.positions: list[str] = []
        """Every position that any answer named, whoever got it."""

        self.changes: dict[int, Any] = {}
        self.wrong: list[str] = []

    def note(self, events: list[dict[str, Any]]) -> None:
        last = 0
        for event in events:
            seq = int(event["id"].split(".")[1])
            if seq <= last:
                self.wrong.append(f"{self.user}: {seq} came after {last} on one page")
            last = seq
            known = self.changes.setdefault(seq, event)
            if known != event:
                self.wrong.append(f"{self.user}: two changes under position {seq}: {known} and {event}")
            if known is event and event["event"] == "notification":
                self.ids.append(event["data"]["id"])


class Look:
    """What a client knows and where it stands: it upserts what it is sent, drops what is deleted, and starts anew when
    told."""

    def __init__(self, position: str | None = None, held: dict[str, Any] | None = None) -> None:
        self.position = position
        self.held = dict(held or {})
        self.resets = 0
        self.is_current = False

    def copy(self) -> "Look":
        return Look(self.position, self.held)

    @property
    def seq(self) -> int:
        return 0 if self.position is None else int(self.position.split(".")[1])

    def apply(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        """Takes a page in, and returns the changes on it."""
        changes: list[dict[str, Any]] = []
        for event in page["items"]:
            if event["event"] == "reset":
                self.held.clear()
                self.resets += 1
                continue
            changes.append(event)
            if event["event"] == "delete":
                self.held.pop(event["data"]["id"], None)
            else:
                self.held[event["data"]["id"]] = event["data"]
        self.position = page["position"]
        self.is_current = not page["more"]
        return changes

    async def catch_up(self, client: httpx.AsyncClient, user: str, limit: int) -> list[dict[str, Any]]:
        """Reads on to the end; returns every change on the way."""
        changes: list[dict[str, Any]] = []
        while True:
            page = await read(client, user, self.position, limit)
            changes += self.apply(page)
            if self.is_current:
                return changes


async def read(client: httpx.AsyncClient, user: str, after: str | None, limit: int) -> dict[str, Any]:
    """A page of changes, asked for until the service is there."""
    params: dict[str, str | int] = {"user_id": user, "limit": limit}
    if after is not None:
        params["after"] = after

    async def ask() -> dict[str, Any]:
        answer = await client.get("/v1/changes", params=params, headers=ADMIN)
        if answer.status_code == 503:
            return {}
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    return await eventually(ask, _GIVE_UP_SECONDS, what=f"the changes of {user}")


class Follower:
    """Follows from the beginning to the end, now and then looking back for what should have been there before, and
    keeping copies of what it knew on the way."""

    def __init__(self, inbox: Inbox, clients: list[httpx.AsyncClient], limit: int, seed: int) -> None:
        self.inbox = inbox
        self.look = Look()
        self.kept: list[Look] = []
        self.looks_back = 0
        self._clients = clients
        self._limit = limit
        self._random = random.Random(seed)
        self._seen: set[int] = set()

    async def follow(self, done: asyncio.Event) -> None:
        is_last = False
        while not (is_last and self.look.is_current):
            is_last = done.is_set()
            # Any process will do for any page.
            page = await read(self._random.choice(self._clients), self.inbox.user, self.look.position, self._limit)
            changes = self.look.apply(page)
            self.inbox.note(changes)
            self._seen |= {int(change["id"].split(".")[1]) for change in changes}
            if self._random.random() < 0.05:
                self.kept.append(self.look.copy())
            if self.look.is_current:
                if self._random.random() < 0.05:
                    await self.look_back()
                await asyncio.sleep(_PAUSE_SECONDS)
        await self.look_back()

    async def look_back(self) -> None:
        """From an older position, there is nothing up to where it stands that it was not shown before."""
        reached = self.look.seq
        start = self._random.choice(self.kept).position if self.kept and self._random.random() < 0.5 else None
        again = Look(start)
        changes = await again.catch_up(self._random.choice(self._clients), self.inbox.user, 100)
        self.inbox.note(changes)
        late = [
            seq for change in changes if (seq := int(change["id"].split(".")[1])) <= reached and seq not in self._seen
        ]
        if late:
            self.inbox.wrong.append(f"{self.inbox.user}: {late} became visible after {reached} had been seen")
        self.looks_back += 1
