"""What a person asks a collector about itself: `collector check`, `doctor` and `support`."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli.collector_options import ConfigOption, OutputOption, chosen
from cyberalarm.cli.printing import (
    ExitCode,
    Output,
    harmless,
    print_document,
    print_jsonl,
    print_rows,
    result_console,
)
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from rich.table import Table

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.doctor import Check
    from cyberalarm.collector.doctor.arrivals import Arrival
    from cyberalarm.collector.state import State

_LOOK_SECONDS = 1.0
_ARROW = "           → "


def check(config: ConfigOption = None, output: OutputOption = Output.HUMAN) -> None:
    """Check the whole configuration without starting anything. Exit code 1 when there is a mistake; warnings alone end with 0."""
    raise typer.Exit(ExitCode.FAILED if tell_check(chosen(config), output) else ExitCode.DONE)


def tell_check(path: Path | None, output: Output = Output.HUMAN) -> bool:
    """Print what is wrong with a configuration; is there a mistake?"""
    from cyberalarm.collector import checking
    from cyberalarm.collector import config as configuration

    if path is not None and not path.is_file():
        configuration.load(path)  # raises: there is nothing to check
    checked = checking.check(path)

    def show() -> None:
        console = result_console()
        if not checked.mistakes:
            console.print("The configuration is good.")
        for remark in checked.remarks:
            line = f":{remark.line}" if remark.line else ""
            key = f"key {remark.key!r}: " if remark.key else ""
            where = f"{path or 'defaults'}{line}"
            console.print(harmless(f"{remark.severity.value:8} {where}: {key}{remark.what}"))
            console.print(harmless(f"{_ARROW}{remark.next_step}"))

    print_rows(output, [{"file": str(path) if path else None, **asdict(remark)} for remark in checked.remarks], show)
    return bool(checked.mistakes)


def doctor(
    config: ConfigOption = None,
    watch: Annotated[
        float | None, typer.Option("--watch", min=1, help="For so many seconds, show who sends lines, as they come.")
    ] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check each link of the chain and say what to do.

    Exit code 0 when all is good, 4 when something needs attention, 1 when something is broken.
    """
    path = chosen(config)
    if watch is not None:
        _watch(path, watch, output)
        return
    from cyberalarm.collector.doctor import Verdict, examine, worst

    checks = examine(path)
    print_rows(output, [asdict(one) for one in checks], lambda: _show_checks(checks))
    ends = {Verdict.GOOD: ExitCode.DONE, Verdict.ATTENTION: ExitCode.INCOMPLETE, Verdict.BAD: ExitCode.FAILED}
    raise typer.Exit(ends[worst(checks)])


def _show_checks(checks: list[Check]) -> None:
    from cyberalarm.collector.doctor import Verdict

    console = result_console()
    signs = {Verdict.GOOD: "good     ", Verdict.ATTENTION: "attention", Verdict.BAD: "BAD      "}
    for one in checks:
        console.print(harmless(f"{signs[one.verdict]}  {one.link}: {one.found}"))
        if one.next_step:
            console.print(harmless(f"{_ARROW}{one.next_step}"))
        if one.sample:
            console.print(harmless(f"           such a line, redacted: {one.sample}"))


def _watch(path: Path | None, seconds: float, output: Output) -> None:
    """Show who sends, until the time is over or Ctrl-C; then say what it means."""
    from cyberalarm.collector import config as configuration
    from cyberalarm.collector.doctor.arrivals import arrivals
    from cyberalarm.collector.doctor.devices import nothing_arrives

    config = configuration.load(path)
    began = _note(config)
    seen: list[Arrival] = []
    newest = began
    until = time.monotonic() + seconds
    live = _Live(output, seconds)
    try:
        while time.monotonic() < until:
            time.sleep(min(_LOOK_SECONDS, max(until - time.monotonic(), 0.0)))
            before, newest = newest, _note(config)
            seen = arrivals(began, newest)
            live.show(seen, arrivals(before, newest), until - time.monotonic())
    except KeyboardInterrupt:
        pass
    finally:
        live.end()
    missing = None if seen else nothing_arrives(config, newest)

    def say() -> None:
        _show_arrivals(seen)
        if missing:
            _show_checks([missing])

    rows = [asdict(one) for one in seen]
    if output is Output.HUMAN:
        say()
    else:
        print_document(
            output, {"seconds": seconds, "senders": rows, "missing": asdict(missing) if missing else None}, say
        )
    good = seen and all(one.understood for one in seen if one.lines)
    raise typer.Exit(ExitCode.DONE if good else ExitCode.INCOMPLETE)


def _note(config: CollectorConfig) -> State:
    """The note of the collector that runs now. Raises CyberAlarmError when none does, or it may not be read."""
    from cyberalarm.collector import state as notes
    from cyberalarm.collector.files import is_held

    if is_held(config.data) and (state := notes.read(config.data)) is not None:
        return state
    raise CyberAlarmError(
        f"No running collector can be seen in {config.data}.",
        next_step="Start it, or ask as its owner; `cyberalarm collector doctor` tells which.",
        code="collector-unseen",
    )


class _Live:
    """The table that changes on a terminal; elsewhere nothing, or for jsonl an object for each sender that sent something."""

    def __init__(self, output: Output, seconds: float) -> None:
        self._output = output
        self._live = None
        if output is Output.HUMAN and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(_table([], seconds), console=result_console(), auto_refresh=False, transient=True)
            self._live.start()

    def show(self, seen: list[Arrival], new: list[Arrival], left: float) -> None:
        if self._live is not None:
            self._live.update(_table(seen, left), refresh=True)
        elif self._output is Output.JSONL and new:
            print_jsonl([{"at": round(time.time(), 1), **asdict(one)} for one in new])
            sys.stdout.flush()

    def end(self) -> None:
        if self._live is not None:
            self._live.stop()


def _table(seen: list[Arrival], left: float) -> Table:
    from rich.table import Table

    title = f"Lines that arrive now; {max(left, 0):.0f} s left, Ctrl-C ends"
    table = Table(
        "Sender", "Device", "Lines", "Product", "Outcomes", "Lost", title=title, title_justify="left", box=None
    )
    for one in seen:
        products = ", ".join(f"{name} {n:,}" for name, n in sorted(one.products.items())) or "not recognised"
        outcomes = ", ".join(f"{name} {n:,}" for name, n in one.outcomes.items())
        row = (one.source, one.device, f"{one.lines:,}", products, outcomes, f"{one.lost:,}" if one.lost else "")
        table.add_row(*map(harmless, row))
    return table


def _show_arrivals(seen: list[Arrival]) -> None:
    if not seen:
        return
    table = _table(seen, 0)
    table.title = None
    result_console().print(table)


def support(
    file: Annotated[Path, typer.Argument(help="The file to write, such as support.zip; must not exist.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write it without asking.")] = False,
) -> None:
    """Write what helps others to help you, without secrets: versions, settings, findings, counts, redacted samples and log.

    What goes in is shown first. Nothing is sent.
    """
    from cyberalarm.collector.support import gather, write

    parts = gather(chosen(config))
    console = result_console()
    console.print(f"{file} will hold:")
    for part in parts:
        console.print(f"  {part.name:20} {len(part.content.encode()):>9,} bytes  {part.about}")
    if not yes:
        if not sys.stdin.isatty():
            raise CyberAlarmError(
                "Nothing was written: there is nobody to ask.", next_step="Add --yes to write it.", code="not-confirmed"
            )
        if not typer.confirm("Write it?"):
            raise typer.Exit(ExitCode.INCOMPLETE)
    write(file, parts)
    console.print(f"Written to {file}. Read it before you pass it on; README.txt in it says what was taken out.")
