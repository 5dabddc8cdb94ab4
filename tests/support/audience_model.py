"""Inboxes with audiences and time as anybody would first write them down: lists, looked through from end to end."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from hypothesis import strategies as st
from msgspec import Struct, field

__all__ = ("Item", "Model", "Operation", "Published", "User", "interleavings")

Operation = tuple[Any, ...]

USERS = ("alice", "bob")
TOPICS = ("a", "a/x", "b")
PATTERNS = ("a", "a/*", "a/x", "b")
_LATE_ENTRIES = 5
_LATE = timedelta(hours=1)

# Apart from each other whatever is added up, so that nothing is due at the very moment when somebody looks.
_ttls = st.sampled_from([None, None, timedelta(minutes=10), timedelta(minutes=45)])
_keys = st.sampled_from([None, None, None, "k1", "k2"])
_users = st.sampled_from(USERS)
_number = st.integers(0, 30)
_edits = st.sampled_from(["edit", "resurface"])
_audiences = st.one_of(
    st.just({"everyone": True}),
    st.just({"everyone": True}),
    st.fixed_dictionaries({"topics": st.lists(st.sampled_from(TOPICS), min_size=1, max_size=2, unique=True)}),
)
_send = st.tuples(st.just("send"), _users, _keys, _ttls)
_publish = st.tuples(st.just("publish"), _audiences, _keys, _ttls, st.none() | _users)
_settle = st.tuples(st.just("settle"), _users, st.sampled_from(["one", "both"]))
_mark = st.tuples(
    st.just("mark"), _users, _number, st.sampled_from(["read", "unread", "seen", "archive", "unarchive", "unsnooze"])
)
_operations = st.one_of(
    _send,
    _publish,
    _publish,
    _settle,
    _settle,
    _mark,
    _mark,
    st.tuples(st.just("delete"), _users, _number),
    st.tuples(st.just("snooze"), _users, _number, st.sampled_from([timedelta(minutes=5), timedelta(minutes=40)])),
    st.tuples(st.just("edit"), _users, _number, _edits),
    st.tuples(st.just("edit_published"), _number, _edits),
    st.tuples(st.just("recall"), _number),
    st.tuples(st.just("subscribe"), _users, st.sampled_from(PATTERNS)),
    st.tuples(st.just("subscribe"), _users, st.sampled_from(PATTERNS)),
    st.tuples(st.just("unsubscribe"), _users, st.sampled_from(PATTERNS)),
    st.tuples(st.just("pass"), st.sampled_from([timedelta(minutes=7), timedelta(minutes=31)])),
)
interleavings = st.lists(st.tuples(st.integers(0, 1), _operations), min_size=1, max_size=30)
"""Each operation with the process that is asked for it."""


class Published(Struct):
    id: str
    keys: list[str]
    topics: list[str]
    excluded: str | None
    title: str
    collapse_key: str | None
    at: datetime
    expires_at: datetime | None
    is_recalled: bool = False


class Entry(Struct):
    kind: Literal["publish", "edit", "resurface", "recall"]
    published: Published


class Item(Struct):
    title: str
    collapse_key: str | None
    expires_at: datetime | None
    published: Published | None = None
    topic: str | None = None
    id: str = ""
    is_seen: bool = False
    is_read: bool = False
    is_archived: bool = False
    is_deleted: bool = False
    snoozed_until: datetime | None = None

    @property
    def state(self) -> Literal["unread", "read", "archived", "snoozed", "deleted"]:
        if self.is_deleted:
            return "deleted"
        if self.snoozed_until is not None:
            return "snoozed"
        if self.is_archived:
            return "archived"
        return "read" if self.is_read else "unread"

    def be_new(self) -> None:
        self.is_seen = self.is_read = False


class User(Struct):
    name: str
    items: list[Item] = field(default_factory=list)
    """In the order in which they arrived last."""
    subscriptions: dict[str, int] = field(default_factory=dict)
    pulled: int | None = None

    def arrive(self, item: Item) -> None:
        self.items = [each for each in self.items if each is not item] + [item]


class Model:
    def __init__(self) -> None:
        self.log: list[Entry] = []
        self.users = {name: User(name) for name in USERS}

    @property
    def published(self) -> list[Published]:
        return [entry.published for entry in self.log if entry.kind == "publish"]

    def send(self, user: User, item: Item, now: datetime) -> Item:
        """The item it ends up in."""
        if item.collapse_key is not None:
            self.let_time_pass(user, now)
        return self._put(user, item)

    def _put(self, user: User, item: Item) -> Item:
        for there in reversed(user.items):
            if there.state == "unread" and item.collapse_key and there.collapse_key == item.collapse_key:
                there.title, there.expires_at = item.title, item.expires_at
                there.published, there.topic, there.is_seen = item.published, item.topic, False
                user.arrive(there)
                return there
        user.arrive(item)
        return item

    def let_time_pass(self, user: User, now: datetime) -> None:
        """Whatever expires, goes; whatever was snoozed until now, comes back."""
        for item in user.items:
            if item.expires_at is not None and item.expires_at <= now:
                item.is_deleted = True
        back = [each for each in user.items if each.state == "snoozed" and (each.snoozed_until or now) <= now]
        for item in sorted(back, key=lambda item: item.snoozed_until or now):
            self.unsnooze(user, item)

    def unsnooze(self, user: User, item: Item) -> None:
        if item.state == "snoozed":
            item.snoozed_until = None
            item.be_new()
            user.arrive(item)

    def resurface(self, user: User, item: Item) -> None:
        item.be_new()
        item.is_archived = False
        if item.snoozed_until is None:
            user.arrive(item)

    def settle(self, user: User, now: datetime) -> None:
        self.let_time_pass(user, now)
        if user.pulled is not None:
            self._change(user, self.log[user.pulled :])
        # What updates an unread one comes before what is new.
        new = list(self._new_for(user, now))
        collapsing = [item for item in new if self._collapses(user, item)]
        for item in [*collapsing, *(item for item in new if item not in collapsing)]:
            self._put(user, item)
        user.pulled = len(self.log)

    def has_entries(self, user: User) -> bool:
        """Whether there is anything to pull for somebody who has shown up."""
        if user.pulled is None:
            return False
        news = list(enumerate(self.log))[user.pulled :]
        return any(
            self._key_for(user, entry.published, place) is not None
            if entry.kind == "publish"
            else any(item.published is entry.published for item in user.items)
            for place, entry in news
        )

    def _new_for(self, user: User, now: datetime) -> Iterable[Item]:
        late = [
            entry.published
            for entry in self.log
            if entry.kind == "publish"
            and "*" in entry.published.keys
            and now - entry.published.at <= _LATE
            and not entry.published.is_recalled
            and (entry.published.expires_at is None or entry.published.expires_at > now)
        ][-_LATE_ENTRIES:]
        found: list[tuple[Published, str]] = []
        for place, entry in enumerate(self.log):
            if entry.kind != "publish" or entry.published.is_recalled:
                continue
            key = self._key_for(user, entry.published, place)
            if key is None and user.pulled is None and entry.published in late:
                key = "*"
            if key is not None:
                found.append((entry.published, key))
        keys: set[str] = set()
        for published, key in list(reversed(found)):
            if user.name == published.excluded or (published.expires_at is not None and published.expires_at <= now):
                found.remove((published, key))
            elif published.collapse_key is not None:
                # A later one with its key would replace it at once.
                if published.collapse_key in keys:
                    found.remove((published, key))
                keys.add(published.collapse_key)
        for published, key in found:
            topic = next((topic for topic in published.topics if _is_under(topic, key)), None)
            yield Item(published.title, published.collapse_key, published.expires_at, published, topic)

    def _key_for(self, user: User, published: Published, place: int) -> str | None:
        """By which key a publication at this place of the log is for a user, past what they have been given."""
        keys = [
            key
            for key, since in user.subscriptions.items()
            if key in published.keys and place >= max(since, user.pulled or 0)
        ]
        if "*" in published.keys and user.pulled is not None and place >= user.pulled:
            keys.append("*")
        return min(keys, default=None)

    def _collapses(self, user: User, item: Item) -> bool:
        return any(
            there.state == "unread" and item.collapse_key is not None and there.collapse_key == item.collapse_key
            for there in user.items
        )

    def _change(self, user: User, entries: list[Entry]) -> None:
        last = {id(entry.published): place for place, entry in enumerate(entries) if entry.kind != "publish"}
        for place in sorted(last.values()):
            published = entries[place].published
            kinds = {entry.kind for entry in entries if entry.published is published}
            for item in [each for each in user.items if each.published is published and not each.is_deleted]:
                if "recall" in kinds:
                    item.is_deleted = True
                else:
                    item.title = published.title
                    if "resurface" in kinds:
                        self.resurface(user, item)


def _is_under(topic: str, key: str) -> bool:
    return topic == key or (key.endswith("/*") and topic.startswith(key[:-1]))


def keys_of(topics: list[str]) -> list[str]:
    """Under which keys a subscription finds what is published to these."""
    return [key for key in PATTERNS if any(_is_under(topic, key) for topic in topics)] or ["*"]
