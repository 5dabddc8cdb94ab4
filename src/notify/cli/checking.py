"""What was typed, held against what it has to be."""

import msgspec

from notify.cli.surroundings import Problem

__all__ = ("check",)


def check(name: str, value: str, type_: object) -> None:
    try:
        msgspec.convert(value.encode().decode(), type_)
    except UnicodeEncodeError as error:
        raise Problem(f"{name}: Expected UTF-8.") from error
    except msgspec.ValidationError as error:
        raise Problem(f"{name}: {error}.") from error
