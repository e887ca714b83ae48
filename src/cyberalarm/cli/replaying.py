"""`cyberalarm collector replay`: which files, a bar on the way, and what became of every line."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli.collector_options import ConfigOption, OutputOption, load
from cyberalarm.cli.printing import ExitCode, Output, byte_progress, harmless, print_document, result_console
from cyberalarm.core.outcome import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    from cyberalarm.collector.handover import Watcher
    from cyberalarm.collector.replay import Replayed


def _lines() -> ProgressColumn:
    """A column: how many lines a second."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Lines(ProgressColumn):
        def render(self, task: Task) -> Text:
            lines = int(task.fields.get("lines", 0))
            return Text(f"{lines / max(task.elapsed or 0.0, 0.001):,.0f} lines/s" if lines else "")

    return Lines()


def replay(
    files: Annotated[list[Path], typer.Argument(help="Files of log lines, archives of them, or folders.", exists=True)],
    config: ConfigOption = None,
    device: Annotated[str | None, typer.Option(help="Count all files as one device of this name.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Take only what was not taken before.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Take files that were taken before, too; counts twice.")
    ] = False,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Send old log files as if their lines had just arrived; their own times are kept.

    Ctrl-C breaks it off in order; --resume goes on. Exit code 4 when bundles still wait, or a file could not be read to its end.
    """
    from cyberalarm.collector.replay import replay as replay_files

    if resume and again:
        raise typer.BadParameter("--resume and --again exclude each other.")
    settings = load(config)
    chosen = _within(files)
    with _watched(chosen) as watcher:
        done = replay_files(settings, chosen, watcher=watcher, device=device, resume=resume, again=again)
    print_document(output, _document(done), lambda: _show(done))
    raise typer.Exit(ExitCode.DONE if done.whole else ExitCode.INCOMPLETE)


def _within(paths: list[Path]) -> list[Path]:
    """The files named, and those in the folders named, oldest first; links in folders are not followed."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
            found += sorted(inside, key=lambda one: (one.stat().st_mtime, one.name))
        else:
            found.append(path)
    return found


@contextmanager
def _watched(files: list[Path]) -> Iterator[Watcher]:
    """Bars on stderr, on a terminal only; the first Ctrl-C ends in order, the second at once."""
    from cyberalarm.collector.handover import Watcher

    total = sum(path.stat().st_size for path in files)
    stop = Event()

    def ask_to_stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stderr.write("Putting away what was read. Ctrl-C again ends at once.\n")
        stop.set()

    before = signal.signal(signal.SIGINT, ask_to_stop)
    lines = 0
    with byte_progress(_lines()) as progress:
        checking = progress.add_task("Checking", total=total)
        reading = progress.add_task("Replaying", total=total, start=False)

        def taken(count: int) -> None:
            nonlocal lines
            lines += count
            progress.start_task(reading)
            progress.update(checking, visible=False)
            progress.update(reading, lines=lines)

        try:
            yield Watcher(lambda n: progress.advance(checking, n), lambda n: progress.advance(reading, n), taken, stop)
        finally:
            signal.signal(signal.SIGINT, before)


def _document(done: Replayed) -> dict[str, object]:
    return {
        "devices": {name: ledger.to_json() for name, ledger in done.devices.items()},
        "bundles": done.bundles,
        "unsent": done.unsent,
        "trouble": done.trouble,
        "failures": [{"file": str(path), "reason": why} for path, why in done.failures],
        "grown": [str(path) for path in done.grown],
        "left_out": [str(path) for path in done.left_out],
        "broken_off": done.broken_off,
    }


def _show(done: Replayed) -> None:
    console = result_console()
    for name, ledger in done.devices.items():
        console.print(f"Device {name}: {ledger.received:,} lines.")
        for outcome, number in ledger.outcomes.items():
            if number:
                console.print(f"  {number:>15,}  {outcome.value}: {WORDS[outcome].meaning}.")
    if done.bundles is None:
        console.print(f"The running collector took them over; {done.unsent} bundles wait there to be sent.")
    else:
        console.print(f"{done.bundles} bundles, {done.unsent} still to be sent. {done.trouble}".rstrip())
    for path in done.left_out:
        console.print(harmless(f"{path}: left out, its lines were taken before."))
    for path in done.grown:
        console.print(harmless(f"{path}: its beginning was taken before, so only what was added was taken."))
    for path, why in done.failures:
        console.print(harmless(f"{path}: {why} What was read until then was taken."))
    if done.broken_off:
        console.print("Broken off. Go on with the same command and --resume.")
