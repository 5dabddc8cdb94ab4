"""Topics are paths; what is published to one is found under its name and under the pattern of every path above it."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

from msgspec import Meta

__all__ = ("CHANGED", "EVERYONE", "PATTERN", "Topic", "TopicPattern", "decisive", "keys_of", "topic_under")

T = TypeVar("T")

EVERYONE = "*"
"""The key of what is for everyone. No topic and no pattern is written so."""

CHANGED = "#"
"""The key of edits and recalls, which are for whoever has what they change."""

_END = r"$(?!\n)"
_SEGMENT = r"[A-Za-z0-9._~:@\-]+"
_PATH = rf"{_SEGMENT}(?:/{_SEGMENT}){{0,15}}"
PATTERN = re.compile(rf"^{_PATH}(?:/\*)?{_END}")

Topic = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=rf"^{_PATH}{_END}",
        description="A topic: up to 16 names with `/` between them.",
        examples=["orders/eu"],
    ),
]
TopicPattern = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=PATTERN.pattern,
        description="A topic, or a topic and `/*`: everything that is published below it.",
        examples=["orders/*"],
    ),
]


def keys_of(topics: Iterable[str]) -> list[str]:
    """What a publication to these topics is found under, each key once."""
    keys: dict[str, None] = {}
    for topic in topics:
        keys[topic] = None
        above = topic
        while "/" in above:
            above = above.rpartition("/")[0]
            keys[f"{above}/*"] = None
    return list(keys)


def decisive(topic: str, said: Mapping[str, T]) -> T | None:
    """Of what is said of topics and patterns, what counts for this one: said of itself, else of the nearest above."""
    return next((said[key] for key in keys_of([topic]) if key in said), None)


def topic_under(key: str, topics: Iterable[str]) -> str | None:
    """The first of the topics that is found under this key."""
    return next((topic for topic in topics if key in keys_of([topic])), None)
