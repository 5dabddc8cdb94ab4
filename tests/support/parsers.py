"""Every parser of ours, and what has to hold of it for any input: it answers with a value or with an error of ours, and
reads again what it gives out itself.
"""

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import jwt
import msgspec

from notify.api import sending
from notify.api.addresses import ClientAddresses
from notify.api.answers import check_reached, unchanged_since
from notify.api.auth import Authenticator
from notify.api.envelope import _request_id as request_id_of
from notify.api.inputs import read_query
from notify.api.messages import ChangesQuery, CountQuery, ListQuery, SnoozeBody
from notify.api.socket import SocketQuery
from notify.api.stream import StreamQuery
from notify.api.subscriptions import SubscriptionQuery
from notify.app import Service
from notify.core.cursor import ListCursor, TimeCursor, cursor_after, name_in
from notify.core.decoding import decoded
from notify.core.errors import ProblemError
from notify.core.identity import DEFAULT_APP, Caller
from notify.core.names import Hosts, Origins
from notify.core.notification import Create
from notify.core.position import Bounds, Position
from notify.core.problem import problem_of
from notify.core.times import expiry, put_off_until, send_time
from notify.core.topic import PATTERN, keys_of, topic_under
from notify.live import connection as live_connection
from notify.live.doorbell import INBOXES, flashes_in, heads_in, ids_in, rings_in
from notify.live.doorbell import _packed as packed
from notify.live.subprotocols import JSON, MSGPACK, Subprotocol, agree, read, ref_in
from notify.settings import Settings
from notify.store.apps import Signing
from notify.store.rows import InboxState
from support.clock import ManualClock
from support.fuzzing import Target

__all__ = ("TARGETS",)

T = TypeVar("T")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = UUID("0199c0de-0000-7000-8000-000000000001")
SECRET = "a secret of thirty-two bytes, for tests"
SETTINGS = Settings(
    database_url="postgresql://127.0.0.1/none", admin_key="an admin key for tests only", jwt_secret=SECRET
)
INBOX = InboxState(Bounds("k3f9", 5, 42), 0, 0, 0)
EPOCH_AND_TIME = ("k3f9", NOW, 42)


class _Asked:
    """As much of a request as what reads it looks at."""

    def __init__(self, *, query: bytes = b"", **headers: bytes) -> None:
        self.cookies: dict[str, str] = {}
        self.scope: Any = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query,
            "headers": [(name.replace("_", "-").encode(), value) for name, value in headers.items()],
            "client": ("10.0.0.1", 4711),
            "state": {},
            "auth": Caller("default", frozenset({"inbox"})),
        }


def asked_with(**parts: bytes) -> Any:
    return _Asked(**parts)


def text_of(raw: bytes) -> str:
    """As a text may reach us from a query or from JSON, which can escape half of a surrogate pair."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def tried(parse: Callable[[], Any]) -> Any:
    """What it makes of it; None where it refuses, in words that can be sent."""
    try:
        return parse()
    except ProblemError as refusal:
        msgspec.json.encode(problem_of(refusal))
        return None


# The parsers ---------------------------------------------------------------------------------------------------------


def position(raw: bytes) -> bool:
    text = text_of(raw)
    found = tried(lambda: Position.parse(text))
    if found is not None:
        assert Position.parse(str(found)).seq == found.seq
        assert str(found) == text or found.since_floor <= found.seq
        found.invalid_in(INBOX.bounds)
    assert (live_connection._parsed(text) is None) == (found is None)
    return found is not None


def list_cursor(raw: bytes) -> bool:
    text = text_of(raw)
    found = tried(lambda: ListCursor.parse(text, "filters"))
    if found is not None:
        assert str(found) == text
        assert ListCursor.after(found.epoch, found.arrived_at, found.position, "filters") == found
    return found is not None


def time_cursor(raw: bytes) -> bool:
    text = text_of(raw)
    found = tried(lambda: TimeCursor.parse(text))
    if found is not None:
        assert str(found) == text
        assert TimeCursor.after(found.time, found.id) == found
    return found is not None


def name_cursor(raw: bytes) -> bool:
    text = text_of(raw)
    name = tried(lambda: name_in(text))
    if name is not None:
        assert cursor_after(name) == text
    return name is not None


def topic(raw: bytes) -> bool:
    text = text_of(raw)
    asked = asked_with(query=urlencode({"topic": text}, errors="surrogatepass").encode())
    found = tried(lambda: read_query(asked, SubscriptionQuery))
    if found is not None:
        assert found.topic == text
        assert PATTERN.match(text)
        if not text.endswith("/*"):
            keys = keys_of([text])
            assert keys[0] == text
            assert len(keys) == text.count("/") + 1
            assert all(topic_under(key, [text]) == text for key in keys)
    return found is not None


def _message(subprotocol: Subprotocol, received: dict[str, Any]) -> bool:
    document = tried(lambda: subprotocol.document(received))
    if document is None:
        return False
    said = tried(lambda: read(document))
    ref = ref_in(document)
    if said is not None:
        assert said.ref == ref
        assert read(msgspec.json.encode(said)) == said
    return said is not None


def json_message(raw: bytes) -> bool:
    return _message(JSON, {"type": "websocket.receive", "text": text_of(raw)})


def msgpack_message(raw: bytes) -> bool:
    return _message(MSGPACK, {"type": "websocket.receive", "bytes": raw})


def offered_subprotocols(raw: bytes) -> bool:
    names = [name.strip() for name in raw.decode("latin-1").split(",")]
    agreement = tried(lambda: agree(names))
    assert agreement is None or agreement.name is None or agreement.name in names
    return agreement is not None


def idempotency_key(raw: bytes) -> bool:
    found = tried(lambda: sending._key_in(asked_with(idempotency_key=raw), "POST /", {}))
    assert (found is not None) == (1 <= len(raw) <= 255)
    if found is not None:
        assert found == sending._key_in(asked_with(idempotency_key=raw), "POST /", {})
    return found is not None


def if_none_match(raw: bytes) -> bool:
    is_unchanged = unchanged_since(asked_with(if_none_match=raw), INBOX.position)
    assert not is_unchanged or b'"k3f9.42"' in raw or b"*" in raw
    return is_unchanged


def notify_position(raw: bytes) -> bool:
    asked = asked_with(notify_position=raw)
    is_reached = tried(lambda: check_reached(asked, INBOX) or True)  # type: ignore[func-returns-value]
    assert not is_reached or Position.parse(raw.decode()).seq <= INBOX.bounds.head
    return bool(is_reached)


def forwarded_for(raw: bytes) -> bool:
    asked = asked_with(x_forwarded_for=raw)
    found = ADDRESSES.of(asked.scope)
    # What our own proxy has added at the end counts, whatever its client wrote before.
    asked = asked_with(x_forwarded_for=raw + b", 198.51.100.1")
    assert ADDRESSES.of(asked.scope) == ip_address("198.51.100.1")
    assert NOBODY.of(asked.scope) == ip_address("10.0.0.1")
    return found is not None


def request_id(raw: bytes) -> bool:
    found = request_id_of(asked_with(x_request_id=raw).scope)
    assert re.fullmatch(r"[A-Za-z0-9._\-]{1,128}", found)
    return found.encode() == raw


def query(raw: bytes) -> bool:
    is_read = False
    kind: Any
    for kind in (ListQuery, CountQuery, ChangesQuery, StreamQuery, SocketQuery):
        found: Any = tried(lambda kind=kind: read_query(asked_with(query=raw), kind))  # type: ignore[misc]
        if found is not None:
            is_read = True
            pairs = {name: value for name, value in msgspec.to_builtins(found).items() if value is not None}
            again = urlencode(pairs, doseq=True).encode()
            assert read_query(asked_with(query=again), kind) == found
    return is_read


def times(raw: bytes) -> bool:
    document = msgspec.json.encode({"until": text_of(raw).encode(errors="replace").decode()})
    body = tried(lambda: decoded(msgspec.json.Decoder(SnoozeBody).decode, document))
    if body is None:
        return False
    until = tried(lambda: put_off_until(body.until, NOW))
    assert until is None or NOW < until <= NOW + timedelta(days=400)
    sent = tried(lambda: send_time(body.until, NOW))
    assert sent is None or sent > NOW
    ends = tried(lambda: expiry(body.until, None, NOW))
    assert ends is None or ends > NOW
    return until is not None


def create(raw: bytes) -> bool:
    found = tried(lambda: decoded(DECODE_CREATE, raw))
    if found is not None:
        assert decoded(DECODE_CREATE, msgspec.json.encode(found)) == found
        caller = Caller("default", frozenset({"send"}))
        tried(lambda: sending.command_of(caller, found, SETTINGS, NOW, None))
    return found is not None


def credential(raw: bytes) -> bool:
    is_known = False
    for asked in (asked_with(authorization=raw), asked_with(x_api_key=raw), asked_with(query=b"token=" + raw)):
        caller = tried(lambda asked=asked: _finished(AUTHENTICATOR.caller_of(asked, opens_live=True)))  # type: ignore[misc]
        is_known |= caller is not None
    return is_known


def origin(raw: bytes) -> bool:
    text = raw.decode("latin-1")
    if text in ORIGINS:
        parts = urlsplit(text)
        assert parts.scheme == "https"
        assert parts.netloc == "shop.example" or re.fullmatch(r"([\w\-]+\.)+shop\.example", parts.netloc, re.ASCII)
    if text in HOSTS:
        name = text.lower().partition(":")[0]
        assert name == "notify.example" or name.endswith(".shop.example")
    return text in ORIGINS or text in HOSTS


def doorbell(raw: bytes) -> bool:
    payload = text_of(raw)
    found = [_rung(parse, payload) for parse in (rings_in, heads_in, ids_in, flashes_in)]
    rings = found[0]
    if rings:
        again = packed(INBOXES, (f"{inbox_id}.{epoch}.{head}" for inbox_id, epoch, head in rings))
        assert [ring for part in again for ring in rings_in(part)] == rings
    return any(each is not None for each in found)


def _rung(parse: Callable[[str], Any], payload: str) -> Any:
    """None for what says nothing: `ValueError`, of which the listener makes a ring without a message."""
    try:
        found = parse(payload)
        return list(found) if parse is rings_in else found
    except ValueError:
        return None


def _finished(asking: Coroutine[Any, Any, T]) -> T:
    """What needs no database never waits."""
    try:
        asking.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


def _authenticator() -> Authenticator:
    service = Service(SETTINGS, ManualClock())
    assert SETTINGS.jwt_secret is not None
    default = Signing((SETTINGS.jwt_secret,))

    async def signing_of(app_id: str) -> Signing | None:
        """There is no database here: no other app is known, and no key."""
        return default if app_id == DEFAULT_APP else None

    async def none(*_: object) -> None:
        pass

    service.apps.signing_of = signing_of  # type: ignore[method-assign]
    service.keys.find = none  # type: ignore[method-assign,assignment]
    return service.authenticator


AUTHENTICATOR = _authenticator()
ADDRESSES = ClientAddresses([ip_network("10.0.0.0/8")])
NOBODY = ClientAddresses([])
ORIGINS = Origins(["https://shop.example", "https://*.shop.example", "*"])
HOSTS = Hosts(["notify.example", "*.shop.example"])
DECODE_CREATE = msgspec.json.Decoder(Create).decode
MESSAGES = (
    {"type": "ack", "id": "k3f9.42", "ref": "1"},
    {"type": "read", "ids": [str(ID)], "ref": "2"},
    {"type": "read_all", "of": "booking.created", "before": "k3f9.42"},
    {"type": "resume", "after": "k3f9.41"},
    {"type": "auth", "token": "a.b.c"},
    {"type": "send", "notification": {"to": "alice", "title": "a title", "data": {"x": [1, 2.5, None]}}},
    {"type": "ping", "ref": "é"},
)
CREATES = (
    {"to": "alice", "title": "a title"},
    {
        "to": ["alice", "bob"],
        "title": "é",
        "body": "text",
        "type": "a.b",
        "level": "warning",
        "url": "/x",
        "ttl_seconds": 60,
    },
    {"to": {"topics": ["orders/eu", "orders/*"]}, "title": "t", "send_at": "2026-03-02T12:00:00Z", "durable": True},
    {"to": {"everyone": True}, "title": "t", "exclude": ["bob"], "progress": {"value": 1, "max": 2}},
    {
        "to": "a",
        "title": "t",
        "actions": [{"id": "x", "label": "Open", "url": "https://a.example/"}],
        "data": {"a": [[{}]]},
    },
)
SOON = int(NOW.timestamp()) + 3600
TOKEN = jwt.encode({"sub": "alice", "exp": SOON, "scope": "inbox send"}, SECRET, algorithm="HS256")
UNSIGNED = jwt.encode({"sub": "alice", "exp": SOON}, "", algorithm="none")

TARGETS = (
    Target("position", [b"k3f9.42", b"0.0", b"a" * 32 + b".9223372036854775807", b"k3f9.42.50"], position),
    Target("list cursor", [str(ListCursor.after(*EPOCH_AND_TIME, "filters")).encode()], list_cursor),
    Target("time cursor", [str(TimeCursor.after(NOW, ID)).encode()], time_cursor),
    Target("name cursor", [cursor_after(name).encode() for name in ("phone-1f3a", "é" * 100)], name_cursor),
    Target("topic", [b"orders/eu", b"orders/*", b"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", b"a@b:c~d"], topic),
    Target("JSON message", [msgspec.json.encode(message) for message in MESSAGES], json_message),
    Target("msgpack message", [msgspec.msgpack.encode(message) for message in MESSAGES], msgpack_message),
    Target("subprotocols", [b"notify.v1.json", b"notify.v1.msgpack, notify.v1.json", b""], offered_subprotocols),
    Target("Idempotency-Key", [b"8e03978e-40d5-43e8-bc93-6894a57f9324", b"k"], idempotency_key),
    Target("If-None-Match", [b'"k3f9.42"', b'W/"k3f9.41", "k3f9.42"', b"*"], if_none_match),
    Target("Notify-Position", [b"k3f9.42", b"k3f9.43"], notify_position),
    Target("X-Forwarded-For", [b"192.0.2.66, 198.51.100.1", b"[2001:db8::5]:4711", b"::ffff:10.0.0.7"], forwarded_for),
    Target("X-Request-ID", [b"8e03978e40d5"], request_id),
    Target(
        "query",
        [
            b"user_id=alice&limit=20&status=all&type=a.b&since=2026-03-01T12%3A00%3A00%2B01%3A00&topic=orders%2Feu",
            b"type=a&type=b.c&user_id=%C3%A9",
            b"after=k3f9.42&limit=100",
            b"last_event_id=k3f9.42&device=phone&from=now&token=a.b.c&window=5",
        ],
        query,
    ),
    Target(
        "times", [b"2026-03-01T12:00:01Z", b"2026-04-01T12:00:00.123456+14:00", b"9999-12-31T23:59:59-12:00"], times
    ),
    Target("create", [msgspec.json.encode(create) for create in CREATES], create),
    Target(
        "credential",
        [b"Bearer " + TOKEN.encode(), TOKEN.encode(), b"Bearer " + UNSIGNED.encode(), b"Bearer nk_abc", b"bearer  x"],
        credential,
    ),
    Target("origin and host", [b"https://eu.shop.example", b"https://shop.example", b"notify.example:80"], origin),
    Target(
        "doorbell",
        [
            b"inboxes 1.k3f9.42,2.abc.1",
            b"published default.7,shop.9",
            f"sessions {ID},{ID}".encode(),
            f"flashes ab {ID}".encode(),
        ],
        doorbell,
    ),
)
