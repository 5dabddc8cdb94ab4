"""Which origins and hosts a setting means: exact ones, and `*.` for one or more names in front of one."""

import re
from collections.abc import Collection, Iterable

__all__ = ("ANY_ORIGIN", "Hosts", "Origins")

ANY_ORIGIN = "*"
_ANY_NAMES = r"(?:[A-Za-z0-9_\-]+\.)+"


class Origins:
    """Of pages. `*` is none of them: a page that nobody named is not trusted with anything."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._named = _Named(pattern for pattern in patterns if pattern != ANY_ORIGIN)

    def __contains__(self, origin: str) -> bool:
        return origin in self._named


class Hosts:
    """By which the service is called, with any port."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._named = _Named(pattern.lower() for pattern in patterns)

    def __contains__(self, host: str) -> bool:
        return _PORT.sub("", host.lower()) in self._named


_PORT = re.compile(r":[0-9]*$")


class _Named:
    def __init__(self, patterns: Iterable[str]) -> None:
        given = list(patterns)
        self._exact: Collection[str] = frozenset(pattern for pattern in given if "*" not in pattern)
        self._wild = [_expression(pattern) for pattern in given if "*" in pattern]

    def __contains__(self, name: str) -> bool:
        return name in self._exact or any(pattern.fullmatch(name) for pattern in self._wild)


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*\.", _ANY_NAMES))
