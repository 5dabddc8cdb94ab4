"""The AsyncAPI document is complete and sound: it names every message that exists, and what it says of each is true."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from notify.api.asyncapi import asyncapi_document
from notify.core.event import Gone, Reset
from notify.core.notification import Notification
from notify.live import messages
from notify.live.closing import CLOSINGS

COMMITTED = Path(__file__).parents[2] / "openapi" / "asyncapi.json"
DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(asyncapi_document()))
SOCKET_STRUCTS: tuple[type[Struct], ...] = (*get_args(messages.ServerMessage), *get_args(messages.ClientMessage))
STREAM_STRUCTS: dict[str, type[Struct]] = {
    "notification": Notification,
    "update": Notification,
    "delete": Gone,
    "inbox": messages.InboxData,
    "reset": Reset,
    "token": messages.TokenData,
    "bye": messages.ByeData,
}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def resolved(reference: str) -> Any:
    assert reference.startswith("#/"), reference
    target: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def described(kind: type[Struct]) -> dict[str, Any]:
    message: dict[str, Any] = DOCUMENT["components"]["messages"][kind.__name__]
    return message


def test_it_is_what_is_committed() -> None:
    assert msgspec.json.decode(COMMITTED.read_bytes()) == DOCUMENT, "run `notify asyncapi`"


def test_it_has_the_parts_that_asyncapi_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) == {
        "asyncapi",
        "info",
        "defaultContentType",
        "servers",
        "channels",
        "operations",
        "components",
    }
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == {"/v1/stream", "/v1/ws"}
    for server in DOCUMENT["servers"].values():
        assert server["host"]
        assert server["protocol"] in {"http", "ws"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        # What an operation carries has to be of its own channel.
        carried = [*operation["messages"], *operation.get("reply", {}).get("messages", ())]
        assert all(message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/") for message in carried)


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node]
    assert len(references) > 100
    for reference in references:
        assert resolved(reference), reference


def test_every_message_is_carried_by_an_operation_of_its_side() -> None:
    operations = DOCUMENT["operations"]

    def carried(messages_: list[dict[str, str]]) -> set[str]:
        return {message["$ref"].rpartition("/")[2] for message in messages_}

    from_server = carried(operations["followSocket"]["messages"]) | carried(
        operations["commandSocket"]["reply"]["messages"]
    )
    assert from_server == {kind.__name__ for kind in get_args(messages.ServerMessage)}
    assert carried(operations["commandSocket"]["messages"]) == {
        kind.__name__ for kind in get_args(messages.ClientMessage)
    }
    assert carried(operations["followStream"]["messages"]) == {
        f"{name.capitalize()}Event" for name in STREAM_STRUCTS
    } | {
        "PositionBlock",
        "RetryField",
    }


def test_every_close_code_is_there_with_what_to_do() -> None:
    socket = DOCUMENT["channels"]["socket"]
    assert [(code["code"], code["then"]) for code in socket["x-close-codes"]] == [
        (closing.code, closing.then) for closing in CLOSINGS
    ]
    for closing in CLOSINGS:
        assert f"| {closing.code} | `{closing.name}` |" in socket["description"]


@pytest.mark.parametrize("kind", SOCKET_STRUCTS, ids=lambda kind: kind.__name__)
def test_a_message_of_the_socket_is_described_as_its_struct(kind: type[Struct]) -> None:
    message = described(kind)
    schema = resolved(message["payload"]["$ref"])
    assert message["name"] == kind.__struct_config__.tag
    assert message["summary"] == " ".join(str(kind.__doc__).split())
    assert schema["properties"]["type"] == {"enum": [message["name"]]}
    assert set(schema["properties"]) == {"type", *kind.__struct_encode_fields__}


@pytest.mark.parametrize("kind", SOCKET_STRUCTS, ids=lambda kind: kind.__name__)
def test_an_example_of_a_socket_message_is_one(kind: type[Struct]) -> None:
    side = messages.ServerMessage if kind in get_args(messages.ServerMessage) else messages.ClientMessage
    (example,) = described(kind)["examples"]
    assert isinstance(understood(example["payload"], side), kind)


def understood(payload: dict[str, Any], type_: Any) -> Any:
    """A payload as a Struct. What a notification passes through unread is of any shape, which no type can ask for."""
    notification = payload.get("notification", payload)
    if "arrived_at" in notification:
        assert isinstance(notification["data"], dict)
        notification = notification | dict.fromkeys(["data", "actions", "actor"])
        payload = payload | {"notification": notification} if "notification" in payload else notification
    return msgspec.json.decode(msgspec.json.encode(payload), type=type_)


@pytest.mark.parametrize(("name", "kind"), STREAM_STRUCTS.items(), ids=list(STREAM_STRUCTS))
def test_an_example_of_a_stream_event_is_one(name: str, kind: type[Struct]) -> None:
    message = DOCUMENT["components"]["messages"][f"{name.capitalize()}Event"]
    assert message["name"] == name == message["headers"]["properties"]["event"]["const"]
    assert message["payload"]["$ref"].endswith(f"/{kind.__name__}")
    (example,) = message["examples"]
    assert understood(example["payload"], kind)
