"""`cyberalarm lab`: write a scripted week as vendor log lines, and play it at collectors.

Results go to stdout, progress to stderr on a terminal. Exit codes: 0 done; 2 wrong usage or not a folder
of the lab; 3 a target was refused; 4 nobody takes the lines; 5 lines were lost on the way.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cyberalarm.core.errors import CyberAlarmError, NotReachableError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.lab.play import Endpoint, Played
    from cyberalarm.lab.truth import Truth

app = typer.Typer(name="lab", help="Scripted suspicious activity as real vendor log lines.", no_args_is_help=True)


class Output(StrEnum):
    HUMAN = "human"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option(help="How to print the result.")]


@app.callback()
def main() -> None:
    """Scripted suspicious activity as real vendor log lines, with the truth beside them."""


@app.command()
def generate(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if missing.")],
    seed: Annotated[str, typer.Option(help="The same seed gives the same lines.")] = "1",
    days: Annotated[float, typer.Option(help="How long the run is.")] = 7,
    scale: Annotated[float, typer.Option(help="Background volume; 1 is about 150,000 lines.")] = 1,
    until: Annotated[
        datetime | None,
        typer.Option(help="When the run ends, UTC; now if not given.", formats=["%Y-%m-%dT%H:%M"]),
    ] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Write a run: one log file per device, truth.json, countries.csv and the order of all lines."""
    from cyberalarm.lab.generate import write
    from cyberalarm.lab.scenario import default_scenario

    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    with _said_plainly(), _progress("Writing lines") as report:
        truth = write(folder, default_scenario(), seed, end, days, scale, report)
    if output is Output.JSON:
        typer.echo(truth.to_json())
        return
    _describe(truth)
    typer.echo(f"{truth.lines:,} lines in {folder}")


@app.command()
def play(
    folder: Annotated[Path, typer.Argument(help="A folder that `lab generate` wrote.")],
    to: Annotated[
        list[str],
        typer.Option(help="[NAME=]ADDRESS:PORT of a collector; NAME is a member or a device. May be repeated."),
    ],
    rate: Annotated[float, typer.Option(help="Lines per second over all devices; 0 for no limit.")] = 5_000,
    own_network: Annotated[
        bool, typer.Option("--i-own-this-network", help="Allow targets that are not this machine.")
    ] = False,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Send a folder's lines to collectors through real sockets, each device as it would: UDP or TCP."""
    from cyberalarm.lab.generate import TRUTH, read
    from cyberalarm.lab.play import play as send
    from cyberalarm.lab.truth import load

    with _said_plainly():
        truth = load(folder / TRUTH)
        endpoints = _endpoints(truth, to)
        with _progress("Sending lines", truth.lines) as report:
            played = send(read(folder), truth.devices, endpoints, rate, report, own_network=own_network)
    _tell(played, output)
    if played.dropped:
        raise typer.Exit(5)


def _endpoint(text: str) -> Endpoint:
    from cyberalarm.lab.play import Endpoint

    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"{text!r} is not ADDRESS:PORT", param_hint="--to")
    return Endpoint(host.strip("[]"), int(port))


def _endpoints(truth: Truth, to: list[str]) -> dict[str, Endpoint]:
    """Where each device sends: its own target if named, else its member's, else the one for all."""
    named: dict[str, Endpoint] = {}
    for item in to:
        name, _, where = item.rpartition("=")
        named[name] = _endpoint(where)
    known = {"", *(m.key for m in truth.members), *(d.name for d in truth.devices)}
    if unknown := sorted(set(named) - known):
        choices = ", ".join(sorted(known - {""}))
        raise typer.BadParameter(f"{unknown[0]!r} is neither a member nor a device: {choices}", param_hint="--to")
    found: dict[str, Endpoint] = {}
    for member in truth.members:
        for device in member.devices:
            where_to = named.get(device.name) or named.get(member.key) or named.get("")
            if where_to:
                found[device.name] = where_to
    return found


def _describe(truth: Truth) -> None:
    for member in truth.members:
        typer.echo(member.name)
        for device in member.devices:
            outcomes = ", ".join(f"{name} {count:,}" for name, count in device.outcomes.items() if count)
            typer.echo(f"  {device.name:24}{device.lines:>9,} lines: {outcomes}")
    typer.echo("Scripted")
    for episode in truth.episodes:
        rules = ", ".join(episode.findings) or "nothing that must be found"
        typer.echo(f"  {episode.id:28}{sum(episode.lines.values()):>6,} lines: {rules}")


def _tell(played: Played, output: Output) -> None:
    if output is Output.JSON:
        result = {"lines": played.lines, "seconds": round(played.seconds, 3), "dropped": played.dropped}
        typer.echo(json.dumps(result))
        return
    for name, count in played.lines.items():
        typer.echo(f"{name:24}{count:>9,} lines")
    typer.echo(f"{played.total:,} lines in {played.seconds:.1f} s, {played.dropped:,} lost before the receiver")


@contextmanager
def _progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on stderr where that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Print our own errors as sentences on stderr and leave with the documented exit code."""
    try:
        yield
    except CyberAlarmError as error:
        _leave(error)


def _leave(error: CyberAlarmError) -> NoReturn:
    typer.echo(f"{error.code}: {error}", err=True)
    code = 3 if isinstance(error, RefusedError) else 4 if isinstance(error, NotReachableError) else 2
    raise typer.Exit(code) from error
