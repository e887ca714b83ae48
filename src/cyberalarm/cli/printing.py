"""What every command says and how it ends: results on stdout, progress, logs and errors on stderr, one table of exit codes.

Only results go to stdout. Progress is shown on a terminal only. Nothing here decides what a result is.
"""

from __future__ import annotations

import sys
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from cyberalarm.core.errors import CyberAlarmError, NotReachableError, RefusedError

# rich and structlog take longer to load than many commands take, so they are loaded where they are used; json, which takes a
# moment, as well, since decoding starts in pipelines.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from rich.console import Console
    from rich.progress import Progress, ProgressColumn


class Output(StrEnum):
    """How results are printed: for people, as one JSON document, or as one JSON object a line."""

    HUMAN = "human"
    JSON = "json"
    JSONL = "jsonl"


class ExitCode(IntEnum):
    """How a command ended. One table for all nouns; docs/command-line.md says what each means."""

    DONE = 0
    FAILED = 1
    NOT_UNDERSTOOD = 2  # what Typer itself ends with on wrong use
    REFUSED = 3
    INCOMPLETE = 4
    NOT_REACHABLE = 5


def exit_code(error: CyberAlarmError) -> ExitCode:
    """The exit code that an error of ours ends a command with, by its class."""
    if isinstance(error, RefusedError):
        return ExitCode.REFUSED
    if isinstance(error, NotReachableError):
        return ExitCode.NOT_REACHABLE
    return ExitCode.FAILED


def print_error(error: CyberAlarmError) -> None:
    """Say on stderr what happened, what to do next, and the stable code."""
    said = [error.what, *([error.next_step] if error.next_step else []), f"(code: {error.code})"]
    sys.stderr.write("".join(f"{harmless(line)}\n" for line in said))


def harmless(text: str) -> str:
    """Text that cannot steer a terminal: it may hold words of strangers."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def result_console() -> Console:
    """Where results go; highlighting and markup are off, because texts may be strangers'."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


def progress_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    import json

    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def print_jsonl(rows: Iterable[Mapping[str, object]]) -> None:
    import json

    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def print_rows(output: Output, rows: Sequence[Mapping[str, object]], show: Callable[[], None]) -> None:
    """Print a list of like things: an array, an object a line, or what `show` prints for people."""
    if output is Output.JSON:
        print_json(rows)
    elif output is Output.JSONL:
        print_jsonl(rows)
    else:
        show()


def print_document(output: Output, document: Mapping[str, object], show: Callable[[], None]) -> None:
    """Print one thing: an object over several lines, the same on one line, or what `show` prints for people."""
    if output is Output.JSON:
        print_json(document)
    elif output is Output.JSONL:
        print_jsonl([document])
    else:
        show()


def byte_progress(*more: ProgressColumn) -> Progress:
    """Bars over bytes, on stderr, shown on a terminal only; with further columns behind the rate."""
    from rich.progress import TimeRemainingColumn, TransferSpeedColumn

    return _progress(TransferSpeedColumn(), *more, TimeRemainingColumn(), bar=16 if more else 40)


def count_progress() -> Progress:
    """Bars over things that are counted, on stderr, shown on a terminal only."""
    from rich.progress import MofNCompleteColumn, TimeElapsedColumn

    return _progress(MofNCompleteColumn(), TimeElapsedColumn())


def _progress(*figures: ProgressColumn, bar: int = 40) -> Progress:
    """All must fit into 80 columns: what is too long is cut."""
    from rich.progress import BarColumn, Progress, TextColumn

    # Descriptions may hold file and host names, in which square brackets are no markup.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar), *figures)
    return Progress(*columns, console=progress_console(), transient=True, disable=not sys.stderr.isatty())


def log_to_stderr(level: int) -> None:
    """Structured logs from `level` (of the logging module) on, one JSON object a line."""
    structlog = _structlog()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for at each use, so that a stream that has been replaced since is not written to.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )


def _structlog() -> ModuleType:
    """structlog, which loads rich where it finds it, for tracebacks in colours: 5 MB and a tenth of the time in which a collector
    starts. It is asked to do without; who prints tables loads rich all the same.
    """
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # as Python's import documents it: not to be found
        try:
            import structlog
        finally:
            del sys.modules["rich"]
    import structlog

    return structlog
