"""The examples in our documents, so that tests can do what they say."""

import re
from pathlib import Path
from textwrap import dedent

__all__ = ("ROOT", "example", "fenced")

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def example(document: str, containing: str) -> str:
    """The one indented or fenced block of a document that contains a text."""
    text = (ROOT / document).read_text(encoding="utf-8")
    indented = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", _FENCED.sub("", text), re.MULTILINE)
    blocks = [dedent(block) for block in indented] + [block for _, block in fenced(document)]
    found = [block for block in blocks if containing in block]
    assert len(found) == 1, f"{len(found)} examples in {document} contain {containing!r}"
    return found[0]


def fenced(document: str) -> list[tuple[str, str]]:
    """Every fenced block of a document: the language it says it is in, and its text."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return _FENCED.findall(text)
