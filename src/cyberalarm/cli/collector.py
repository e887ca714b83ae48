"""`cyberalarm collector run|enrol|replay|explain|samples`.

`check`, `doctor` and `support` stand in `cli/doctor.py`, `show-sent` in `cli/sent.py`, `trusted` in `cli/trusted.py`.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from cyberalarm.cli.collector_options import ConfigOption, OutputOption, chosen
from cyberalarm.cli.collector_options import load as _load
from cyberalarm.cli.doctor import check, doctor, support, tell_check
from cyberalarm.cli.printing import (
    ExitCode,
    Output,
    byte_progress,
    print_document,
    print_rows,
    result_console,
)
from cyberalarm.cli.sent import show_sent
from cyberalarm.cli.trusted import show_trusted
from cyberalarm.collector import logs
from cyberalarm.core.outcome import Ledger

app = typer.Typer(no_args_is_help=True, help="Run a collector on a member's network.")

app.command("show-sent")(show_sent)
app.command("trusted")(show_trusted)
_KEY_PATIENCE = 90.0  # seconds: a collector that runs asks for its status each minute


@app.command()
def run(
    config: ConfigOption = None,
    only_check: Annotated[bool, typer.Option("--check", help="Only check the configuration.")] = False,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error, in place of the configured one.")
    ] = None,
) -> None:
    """Run until stopped (SIGTERM or Ctrl-C). What has arrived is put away before the program ends."""
    if only_check:
        raise typer.Exit(ExitCode.FAILED if tell_check(chosen(config)) else ExitCode.DONE)
    settings = _load(config)
    logs.configure(_level(log_level or settings.log_level))
    from cyberalarm.collector.files import only_one
    from cyberalarm.collector.service import Service

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with only_one(settings.data):
        Service(settings).run(stop)


def _level(name: str) -> str:
    if name not in logs.LEVELS:
        raise typer.BadParameter(f"write one of {', '.join(logs.LEVELS)}", param_hint="--log-level")
    return name


@app.command()
def enrol(
    token: Annotated[
        str, typer.Argument(help="The registration token; asked for, or read from standard input, when not given.")
    ] = "-",  # noqa: S107 - it means: ask
    config: ConfigOption = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Keep bundles that wait in a folder of their own, and do not send them.")
    ] = False,
) -> None:
    """Enrol this collector with the registration token from the member page.

    A token on the command line can be read by other users of the machine: better let the command ask for it.
    """
    from cyberalarm.collector.enrol import enrol as enrol_collector

    text = token
    if token == "-":  # noqa: S105 - it means: ask
        text = typer.prompt("Registration token", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    identity = enrol_collector(_load(config), text, aside=set_aside)
    result_console().print(f"Enrolled as {identity.collector} at {identity.centre}.")


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Files of log lines.", exists=True, dir_okay=False)],
    config: ConfigOption = None,
    device: Annotated[str | None, typer.Option(help="Count all files as one device of this name.")] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Send old log files as if their lines had just arrived; their own times are kept. Exit code 4 when bundles still wait."""
    from cyberalarm.collector.replay import replay as replay_files

    with byte_progress() as progress:
        task = progress.add_task("Replaying", total=sum(path.stat().st_size for path in files))
        done = replay_files(_load(config), files, on_progress=lambda n: progress.advance(task, n), device=device)
    ledgers = {name: ledger.to_json() for name, ledger in done.devices.items()}
    document = {"devices": ledgers, "bundles": done.bundles, "unsent": done.unsent, "trouble": done.trouble}

    def show() -> None:
        _print_ledgers(done.devices)
        result_console().print(f"{done.bundles} bundles, {done.unsent} still to be sent. {done.trouble}".rstrip())

    print_document(output, document, show)
    raise typer.Exit(ExitCode.INCOMPLETE if done.unsent else ExitCode.DONE)


def _print_ledgers(devices: dict[str, Ledger]) -> None:
    from rich.table import Table

    table = Table("Device", "Received", *(o.value for o in next(iter(devices.values()), Ledger()).outcomes), box=None)
    for name, ledger in devices.items():
        table.add_row(name, f"{ledger.received:,}", *(f"{n:,}" for n in ledger.outcomes.values()))
    result_console().print(table)


@app.command("rotate-key")
def rotate_key(config: ConfigOption = None) -> None:
    """Replace this collector's signing key; nothing is lost. Exit code 4 when the collector that runs still has to tell the
    centre.
    """
    from cyberalarm import __version__
    from cyberalarm.collector.key_change import rotate

    if rotate(_load(config), __version__, _KEY_PATIENCE):
        result_console().print(
            "The centre knows this collector by its new key now; the old one is worth nothing any more."
        )
        return
    result_console().print(
        "The collector that runs changes its key as soon as the centre answers. Nothing else is to be done."
    )
    raise typer.Exit(ExitCode.INCOMPLETE)


@app.command()
def explain(
    line: Annotated[str, typer.Argument(help="One line as the device sent it.")],
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Say what would become of a line, and by which rule. Nothing is sent."""
    from cyberalarm.collector.explain import explain as explain_line

    told = explain_line(_load(config), line.encode("utf-8", "surrogateescape"))

    def show() -> None:
        console = result_console()
        console.print(f"Outcome: {told.outcome}. {told.words}")
        console.print(f"Product: {told.product or 'not recognised'}")
        if told.rule:
            console.print(f"Rule:    {told.rule}")
        if told.source:
            console.print(f"Source:  {told.source}")
        if told.sent:
            console.print("This, and nothing else, would leave your network:")
            for name, value in told.sent.items():
                console.print(f"  {name} = {json.dumps(value, ensure_ascii=False)}")

    print_document(output, asdict(told), show)


app.command()(check)
app.command()(doctor)
app.command()(support)


@app.command("samples")
def show_samples(
    device: Annotated[str | None, typer.Argument(help="The id of one device, such as d-4kq7xz.")] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show lines that were not recognised or are damaged, redacted: the newest forms of each device. They are not sent."""
    from cyberalarm.collector.drift import samples

    kept = samples.read(_load(config).data)
    chosen = {name: forms for name, forms in kept.items() if device in (None, name)}
    rows = [{"device": name, **sample.model_dump()} for name, forms in chosen.items() for sample in reversed(forms)]

    def show() -> None:
        console = result_console()
        for name, forms in chosen.items():
            console.print(f"Device {name}, newest first:")
            for sample in reversed(forms):
                at = datetime.fromtimestamp(sample.last).astimezone()
                console.print(f"  {at:%Y-%m-%d %H:%M}  {sample.outcome}  {sample.form}")
        if not chosen:
            console.print("No sample is kept: every line that was looked at was recognised.")

    print_rows(output, rows, show)
