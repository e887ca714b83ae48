"""How results are printed: for people, or as JSON for other programs."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Output(StrEnum):
    HUMAN = "human"
    JSON = "json"
    JSONL = "jsonl"


def result_console() -> Console:
    """Where results go; highlighting and markup are off, because texts may be strangers'."""
    return Console(highlight=False, markup=False, soft_wrap=True)


def progress_console() -> Console:
    return Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def print_jsonl(rows: Iterable[Mapping[str, object]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def byte_progress() -> Progress:
    """A bar over bytes, on stderr, shown on a terminal only."""
    console = progress_console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def log_to_stderr(level: int) -> None:
    """Structured logs from `level` (of the logging module) on, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
