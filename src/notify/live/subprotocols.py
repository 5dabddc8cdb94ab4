"""How messages look on a WebSocket: the two subprotocols. What is said is the same in both."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from msgspec import Struct

from notify.core.decoding import decoded
from notify.core.errors import MalformedBodyError, MalformedMessageError, SubprotocolError
from notify.live.encoding import Encoded
from notify.live.messages import ClientMessage, Ref, ServerMessage

__all__ = ("JSON", "MSGPACK", "Agreement", "Subprotocol", "agree", "read", "ref_in")

_BEYOND_JSON = (
    "Send one msgpack map that says what JSON can say: texts as keys; no bytes, no infinity, no extension types."
)

Frame = dict[str, Any]
"""One message as ASGI takes and gives it."""


class Subprotocol(ABC):
    name: ClassVar[str]

    @abstractmethod
    def frame(self, message: ServerMessage) -> Frame: ...

    @abstractmethod
    def event(self, event: Encoded) -> Frame:
        """The same for what many connections get: encoded once for all of them."""

    @abstractmethod
    def document(self, received: Frame) -> str | bytes:
        """The JSON of what a client said."""


class _Json(Subprotocol):
    name = "notify.v1.json"

    def frame(self, message: ServerMessage) -> Frame:
        return {"type": "websocket.send", "text": msgspec.json.encode(message).decode()}

    def event(self, event: Encoded) -> Frame:
        return {"type": "websocket.send", "text": event.json}

    def document(self, received: Frame) -> str | bytes:
        text: str | None = received.get("text")
        if text is None:
            raise MalformedMessageError("This connection speaks JSON, in text messages; that was a binary one.")
        return text


class _MsgPack(Subprotocol):
    """By way of JSON in both directions, so that it can say nothing that JSON cannot."""

    name = "notify.v1.msgpack"

    def frame(self, message: ServerMessage) -> Frame:
        document = msgspec.json.decode(msgspec.json.encode(message))
        return {"type": "websocket.send", "bytes": msgspec.msgpack.encode(document)}

    def event(self, event: Encoded) -> Frame:
        return {"type": "websocket.send", "bytes": event.msgpack}

    def document(self, received: Frame) -> str | bytes:
        packed: bytes | None = received.get("bytes")
        if packed is None:
            raise MalformedMessageError("This connection speaks msgpack, in binary messages; that was a text.")
        try:
            said = msgspec.msgpack.decode(packed)
            document = msgspec.json.encode(said)
            if msgspec.json.decode(document) == said:
                return document
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise MalformedMessageError(_BEYOND_JSON) from error
        # Infinity, bytes, and numbers as keys would come out as something else.
        raise MalformedMessageError(_BEYOND_JSON)


JSON: Final = _Json()
MSGPACK: Final = _MsgPack()
_ALL: Final = (JSON, MSGPACK)


class Agreement(NamedTuple):
    """What both sides speak. `name` is told to the client, if it named any."""

    subprotocol: Subprotocol
    name: str | None


def agree(offered: Iterable[str]) -> Agreement:
    """On the first of the offered ones that is spoken here."""
    names = [name for name in offered if name]
    for name in names:
        for subprotocol in _ALL:
            if subprotocol.name == name:
                return Agreement(subprotocol, name)
    if names:
        raise SubprotocolError
    return Agreement(JSON, None)


class _Referring(Struct, frozen=True):
    ref: Ref | None = None


_decode_message: Callable[[str | bytes], ClientMessage] = msgspec.json.Decoder(ClientMessage).decode
_decode_ref = msgspec.json.Decoder(_Referring).decode


def read(document: str | bytes) -> ClientMessage:
    try:
        return decoded(_decode_message, document)
    except MalformedBodyError as error:
        raise MalformedMessageError from error


def ref_in(document: str | bytes) -> str | None:
    """The `ref` of a message that is wrong otherwise, if it can be made out."""
    try:
        return _decode_ref(document).ref
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
