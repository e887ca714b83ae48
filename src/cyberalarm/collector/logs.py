"""The collector's log: structured, one JSON object a line, or words with colours where a person watches a terminal.

At INFO it tells starts, stops, troubles when they begin and when they are over. No line of a device, no address, no token is
ever given to it at that level. What is said at WARNING or above is counted by its code, whether or not the level shows it, so
that a chart can show what the log tells.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any, TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
OTHERS = "other"
_TROUBLE = ("warning", "error", "critical", "exception")
# The centre chooses the codes of its refusals, and must not be able to fill the memory.
_MOST_CODES = 200

# What went wrong in this process, by code; by the event's name where it has no code.
TROUBLES: Counter[str] = Counter()


def configure(level: str, stream: Callable[[], TextIO] = lambda: sys.stderr) -> None:
    """Log from a level (of `LEVELS`) on. The stream is asked for at each line, so that one that was replaced is not written to."""
    on_terminal = stream().isatty()
    last = [structlog.dev.ConsoleRenderer()] if on_terminal else [_exceptions, structlog.processors.JSONRenderer()]
    threshold = LEVELS[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            count_trouble,
            _from(threshold),
            structlog.processors.TimeStamper(fmt="iso"),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(threshold, logging.WARNING)),
        logger_factory=lambda *_: structlog.WriteLogger(stream()),
    )


_exceptions = structlog.processors.format_exc_info


def count_trouble(_: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor that counts what is said at WARNING or above, and changes nothing."""
    if method in _TROUBLE:
        code = str(event.get("code") or event.get("event", OTHERS))
        TROUBLES[code if code in TROUBLES or len(TROUBLES) < _MOST_CODES else OTHERS] += 1
    return event


def _from(threshold: int) -> Callable[[object, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    def processor(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if LEVELS.get(event.get("level", "error"), logging.CRITICAL) < threshold:
            raise structlog.DropEvent
        return event

    return processor
