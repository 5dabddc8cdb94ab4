"""Why a bench cannot go on."""

__all__ = ("BenchError",)


class BenchError(Exception):
    """Its text says what happened and what to do about it."""
