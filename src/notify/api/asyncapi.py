"""The AsyncAPI document of both live transports, made from the Structs that encode and decode their messages."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from notify import __version__
from notify.api.examples import SOCKET_EXAMPLES, STREAM_EXAMPLES
from notify.api.messages import PositionText
from notify.api.socket import SocketQuery
from notify.api.stream import StreamQuery
from notify.core.event import Gone, Reset
from notify.core.notification import Notification
from notify.live import messages
from notify.live.closing import CLOSINGS
from notify.live.closing import documentation as closings_table

__all__ = ("asyncapi_document",)

_REF = "#/components/schemas/{name}"
_INTRODUCTION = """\
An inbox is a log, and a connection is a cursor in it: it is shown everything that lies past its position, first what
happened before it came, then each change as it is committed. Both transports show the same changes at the same
positions, so a client may change from one to the other at any moment."""
_STREAM = """\
Server-Sent Events. An `id` is the position up to which everything has been sent; a browser sends it back by itself as
`Last-Event-ID` when it connects again. After some silence a comment is sent, so that nothing between takes the
connection for dead."""
_SOCKET = """\
A message a frame: JSON as text with the subprotocol `notify.v1.json` or none, MessagePack as binary with
`notify.v1.msgpack`. Every message is tagged by `type`. The connection may end with these codes:
"""


class _StreamEvent(Struct, frozen=True):
    name: str
    data: type
    says: str
    id: Literal["always", "sometimes", "never"]


_STREAM_EVENTS = (
    _StreamEvent(
        "notification",
        Notification,
        """It arrived, or arrived again. Without `id` it is part of a snapshot, or was sent with `"durable": false`.""",
        "sometimes",
    ),
    _StreamEvent("update", Notification, "It changed: the whole notification in its new state.", "always"),
    _StreamEvent("delete", Gone, "It was deleted.", "always"),
    _StreamEvent(
        "inbox", messages.InboxData, "The counters. The first closes the start: with `id` and the session.", "sometimes"
    ),
    _StreamEvent("reset", Reset, "Your position is unknown here: drop what you hold, a fresh start follows.", "never"),
    _StreamEvent("token", messages.TokenData, "The token runs out soon: extend the session with a fresh one.", "never"),
    _StreamEvent("bye", messages.ByeData, "Why the server ends the stream.", "never"),
)
_FROM_SERVER: tuple[type[Struct], ...] = get_args(messages.ServerMessage)
_FROM_CLIENT: tuple[type[Struct], ...] = get_args(messages.ClientMessage)
_REPLY = messages.ReplyMessage.__name__

_POSITION = msgspec.json.schema(PositionText)
_CREDENTIALS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`nk_…`) or a user's token."},
    "key": {"type": "httpApiKey", "in": "header", "name": "X-API-Key"},
    "token": {
        "type": "httpApiKey",
        "in": "query",
        "name": "token",
        "description": "A user's token, where no header can be set: a browser's `EventSource` and `WebSocket`.",
    },
    "cookie": {
        "type": "httpApiKey",
        "in": "cookie",
        "name": "notify_token",
        "description": "A user's token, from pages of the same host or of NOTIFY_CORS_ORIGINS.",
    },
}


def asyncapi_document() -> dict[str, Any]:
    schemas = _schemas()
    # Shown where they belong, and nowhere else.
    stream_query, socket_query = schemas.pop(StreamQuery.__name__), schemas.pop(SocketQuery.__name__)
    stream = {
        **{f"{event.name.capitalize()}Event": _event(event) for event in _STREAM_EVENTS},
        "PositionBlock": {
            "name": "(none)",
            "summary": "An `id` and nothing else: the position moves past what `types` leaves out.",
            "contentType": "text/event-stream",
            "headers": _object({"id": _POSITION}, "id"),
        },
        "RetryField": {
            "name": "retry",
            "summary": "How long to wait before connecting again, in milliseconds; jittered.",
            "contentType": "text/event-stream",
            "payload": {"type": "integer", "minimum": 0},
            "examples": [{"payload": 2731}],
        },
    }
    socket = {kind.__name__: _message(kind) for kind in (*_FROM_SERVER, *_FROM_CLIENT)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "notify, live",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"http": _server("http"), "ws": _server("ws")},
        "channels": {
            "stream": _channel("/v1/stream", _STREAM, "http", stream),
            "socket": {
                **_channel("/v1/ws", f"{_SOCKET}\n{closings_table()}", "ws", socket),
                "bindings": {"ws": {"method": "GET", "query": socket_query, "bindingVersion": "0.1.0"}},
                "x-close-codes": msgspec.to_builtins(CLOSINGS),
            },
        },
        "operations": {
            "followStream": {
                **_operation("send", "stream", "Show an inbox as Server-Sent Events.", stream),
                "bindings": {"http": {"method": "GET", "query": stream_query, "bindingVersion": "0.3.0"}},
            },
            "followSocket": _operation(
                "send", "socket", "Show an inbox over a WebSocket.", _names(_FROM_SERVER, but=_REPLY)
            ),
            "commandSocket": {
                **_operation(
                    "receive", "socket", "Do what a client says, and reply where it has a `ref`.", _names(_FROM_CLIENT)
                ),
                "reply": {"channel": {"$ref": "#/channels/socket"}, "messages": _message_refs("socket", [_REPLY])},
            },
        },
        "components": {"messages": stream | socket, "schemas": schemas, "securitySchemes": _CREDENTIALS},
    }


def _schemas() -> dict[str, Any]:
    types = [*(event.data for event in _STREAM_EVENTS), *_FROM_SERVER, *_FROM_CLIENT, StreamQuery, SocketQuery]
    _, schemas = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template=_REF)
    schemas["Audience"] |= {"minProperties": 1, "maxProperties": 1}
    return dict(sorted(schemas.items()))


def _event(event: _StreamEvent) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": {"const": event.name}}
    if event.id != "never":
        fields["id"] = _POSITION
    return {
        "name": event.name,
        "summary": event.says,
        "headers": _object(fields, "event", *(["id"] if event.id == "always" else [])),
        "payload": _ref(event.data),
        "examples": [{"payload": _plain(STREAM_EXAMPLES[event.name])}],
    }


def _message(kind: type[Struct]) -> dict[str, Any]:
    tag = kind.__struct_config__.tag
    return {
        "name": tag,
        "summary": " ".join((kind.__doc__ or "").split()),
        "payload": _ref(kind),
        "examples": [{"payload": _plain(SOCKET_EXAMPLES[kind])}],
    }


def _server(protocol: str) -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": protocol,
        "description": f"`{protocol}s` behind TLS.",
        "variables": {"host": {"default": "127.0.0.1:8000"}},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _CREDENTIALS],
    }


def _channel(address: str, description: str, server: str, spoken: Iterable[str]) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in spoken},
    }


def _operation(action: Literal["send", "receive"], channel: str, summary: str, spoken: Iterable[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": _message_refs(channel, spoken),
    }


def _message_refs(channel: str, names: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]


def _names(kinds: Iterable[type[Struct]], but: str | None = None) -> list[str]:
    return [kind.__name__ for kind in kinds if kind.__name__ != but]


def _ref(type_: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=type_.__name__)}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
