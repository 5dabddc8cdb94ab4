"""How log lines look: readable on a terminal, JSON otherwise. Nothing secret is ever handed to a log."""

import json
import logging
import sys
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import Processor

__all__ = ("configure",)


def configure(
    level: str, style: Literal["auto", "text", "json"], stream: TextIO = sys.stderr, *, is_final: bool = False
) -> None:
    """What is final is not looked up again for each line."""
    as_text = style == "text" or (style == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if as_text else "iso", utc=not as_text),
    ]
    last: list[Processor]
    if as_text:
        last = [
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        # No local variables: among them are keys, tokens and database URLs.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last = [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer(_as_json)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=is_final,
    )
    # What libraries log through the standard library joins in, from warnings on.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _as_json(line: Any, default: Any, **_: Any) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=default).decode()
    except (ValueError, TypeError, OverflowError):
        # Half of a surrogate pair, a number beyond 64 bits: a line is written whatever is in it.
        return json.dumps(line, default=default)
