"""An inbox as anybody would first write it down, in plain Python: what the real one is held against."""

from datetime import UTC, datetime
from typing import Any, Literal

import httpx
from hypothesis import strategies as st

__all__ = ("ModelInbox", "Operation", "histories")

Operation = tuple[Any, ...]

TYPES = (None, "order", "chat")
MARKS = ("read", "unread", "seen", "archive", "unarchive")

_targets = st.integers(0, 30)
_creates = st.tuples(st.just("create"), st.sampled_from(TYPES), st.sampled_from([None, None, "k1", "k2"]))
_operations = st.one_of(
    _creates,
    _creates,
    st.tuples(st.just("mark"), st.sampled_from(MARKS), _targets),
    st.tuples(st.just("mark"), st.sampled_from(MARKS), _targets),
    st.tuples(st.just("edit"), _targets, st.sampled_from(["one title", "another title"])),
    st.tuples(st.just("delete"), _targets),
    st.tuples(
        st.just("all"), st.sampled_from(["read", "seen", "archive"]), st.sampled_from(TYPES), st.none() | _targets
    ),
)
histories = st.lists(_operations, min_size=1, max_size=25)


class ModelNotification:
    def __init__(self, id_: str, position: int) -> None:
        self.id = id_
        self.title = ""
        self.type: str | None = None
        self.collapse_key: str | None = None
        self.arrived = self.changed = position
        self.arrived_at = datetime.min.replace(tzinfo=UTC)
        self.seen = self.read = self.archived = self.deleted = False

    @property
    def state(self) -> Literal["unseen", "seen", "read", "archived", "deleted"]:
        if self.deleted:
            return "deleted"
        if self.archived:
            return "archived"
        if self.read:
            return "read"
        return "seen" if self.seen else "unseen"

    @property
    def is_unread(self) -> bool:
        return self.state in {"unseen", "seen"}


class ModelInbox:
    """Does the same to the service and to itself, and checks each answer on the way."""

    def __init__(self, client: httpx.AsyncClient, user_id: str) -> None:
        self.client = client
        self.user_id = user_id
        self.head = 0
        self.epoch = ""
        self.all: list[ModelNotification] = []

    @property
    def position(self) -> str:
        return f"{self.epoch}.{self.head}"

    async def run(self, history: list[Operation]) -> None:
        for name, *arguments in history:
            await getattr(self, "all_" if name == "all" else name)(*arguments)

    async def create(self, type_: str | None, collapse_key: str | None) -> None:
        title = f"number {self.head}"
        body = {"to": self.user_id, "title": title, "type": type_, "collapse_key": collapse_key}
        answer = await self.client.post("/v1/notifications", json=body)
        assert answer.status_code == 201, answer.text
        (item,) = answer.json()["items"]
        self._moved_to(item["position"], by=1)
        same = [one for one in self.all if one.is_unread and collapse_key and one.collapse_key == collapse_key]
        if same:
            one = max(same, key=lambda one: one.arrived)
            assert item["id"] == one.id
            one.arrived = one.changed = self.head
            one.seen = False
        else:
            one = ModelNotification(item["id"], self.head)
            self.all.append(one)
        one.type, one.collapse_key, one.title = type_, collapse_key, title
        shown = (await self._call("GET", f"/v1/notifications/{one.id}")).json()
        one.arrived_at = datetime.fromisoformat(shown["arrived_at"])

    async def mark(self, mark: str, target: int) -> None:
        one = self._target(target)
        if one is None:
            return
        answer = await self._call("POST", f"/v1/notifications/{one.id}/{mark}")
        if one.deleted:
            assert answer.status_code == 404
            return
        was = (one.seen, one.read, one.archived)
        one.seen = one.seen or mark in {"read", "seen"}
        one.read = mark == "read" or (one.read and mark != "unread")
        one.archived = mark == "archive" or (one.archived and mark != "unarchive")
        self._changed(one, answer, by=int(was != (one.seen, one.read, one.archived)))

    async def edit(self, target: int, title: str) -> None:
        one = self._target(target)
        if one is None:
            return
        answer = await self._call("PATCH", f"/v1/notifications/{one.id}", json={"title": title})
        if one.deleted:
            assert answer.status_code == 404
            return
        by = int(one.title != title)
        one.title = title
        self._changed(one, answer, by)

    async def delete(self, target: int) -> None:
        one = self._target(target)
        if one is None:
            return
        assert (await self._call("DELETE", f"/v1/notifications/{one.id}")).status_code == 204
        if not one.deleted:
            one.deleted = True
            self.head += 1
            one.changed = self.head

    async def all_(self, mark: str, type_: str | None, target: int | None) -> None:
        one = None if target is None else self._target(target)
        before = {} if one is None else {"before": f"{self.epoch}.{one.arrived}"}
        body = ({"type": type_} if type_ else {}) | before
        answer = (await self._call("POST", f"/v1/notifications/{mark}-all", json=body)).json()
        states = {"read": {"unseen", "seen"}, "seen": {"unseen"}, "archive": {"unseen", "seen", "read"}}[mark]
        marked = [
            each
            for each in sorted(self.all, key=lambda each: each.arrived)
            if each.state in states
            and (type_ is None or each.type == type_)
            and (one is None or each.arrived <= one.arrived)
        ]
        arrived = {each.id: each.arrived for each in self.all}
        for each in marked:
            self.head += 1
            each.changed = self.head
            each.seen = each.seen or mark in {"read", "seen"}
            each.read = each.read or mark == "read"
            each.archived = mark == "archive"
        assert {each.id: each.arrived for each in self.all} == arrived
        self.epoch = self.epoch or answer["position"].partition(".")[0]
        assert answer == {"updated": len(marked), "position": self.position}

    def listed(
        self, status: str, type_: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> list[ModelNotification]:
        states = {
            "inbox": {"unseen", "seen", "read"},
            "unread": {"unseen", "seen"},
            "read": {"read"},
            "archived": {"archived"},
            "all": {"unseen", "seen", "read", "archived"},
        }[status]
        return [
            one
            for one in sorted(self.all, key=lambda one: one.arrived, reverse=True)
            if one.state in states
            and (type_ is None or one.type == type_)
            and (since is None or one.arrived_at >= since)
            and (until is None or one.arrived_at < until)
        ]

    def counts(self, type_: str | None = None) -> dict[str, int]:
        mine = [one for one in self.all if type_ is None or one.type == type_]
        return {
            "unread": sum(one.is_unread for one in mine),
            "unseen": sum(one.state == "unseen" for one in mine),
            "total": sum(one.state in {"unseen", "seen", "read"} for one in mine),
        }

    def changes(self, after: int) -> list[tuple[str, str, str]]:
        """Event, position and notification id of everything that changed past a position."""
        return [
            (
                "delete" if one.deleted else "notification" if one.arrived == one.changed else "update",
                f"{self.epoch}.{one.changed}",
                one.id,
            )
            for one in sorted(self.all, key=lambda one: one.changed)
            if one.changed > after
        ]

    def _target(self, number: int) -> ModelNotification | None:
        return self.all[number % len(self.all)] if self.all else None

    def _changed(self, one: ModelNotification, answer: httpx.Response, by: int) -> None:
        assert answer.status_code == 200, answer.text
        self._moved_to(answer.json()["position"], by)
        if by:
            one.changed = self.head
        shown = answer.json()["notification"]
        assert (shown["id"], shown["title"], shown["type"]) == (one.id, one.title, one.type)
        times = (shown["seen_at"], shown["read_at"], shown["archived_at"])
        assert tuple(time is not None for time in times) == (one.seen, one.read, one.archived)

    def _moved_to(self, position: str, by: int) -> None:
        epoch, _, seq = position.partition(".")
        assert self.epoch in {"", epoch}
        self.epoch = epoch
        self.head += by
        assert int(seq) == self.head

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.client.request(method, path, params={"user_id": self.user_id}, **arguments)
