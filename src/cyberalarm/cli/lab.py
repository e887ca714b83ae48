"""`cyberalarm lab`: write a scripted week as vendor log lines, and play it at collectors."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli.printing import ExitCode, Output, count_progress, print_document, result_console

if TYPE_CHECKING:
    from cyberalarm.lab.play import Endpoint, Played
    from cyberalarm.lab.truth import Truth

app = typer.Typer(no_args_is_help=True, help="Make and play scripted suspicious activity.")

OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]


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
    with count_progress() as bars:
        task = bars.add_task("Writing lines", total=None)
        truth = write(folder, default_scenario(), seed, end, days, scale, lambda n: bars.update(task, completed=n))
    print_document(output, asdict(truth), lambda: _describe(truth, folder))


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
    """Send a folder's lines to collectors through real sockets, each device as it would: UDP or TCP.

    Exit code 4 when lines were lost before the receiver.
    """
    from cyberalarm.lab.generate import TRUTH, read
    from cyberalarm.lab.play import play as send
    from cyberalarm.lab.truth import load

    truth = load(folder / TRUTH)
    endpoints = _endpoints(truth, to)
    with count_progress() as bars:
        task = bars.add_task("Sending lines", total=truth.lines)
        played = send(
            read(folder),
            truth.devices,
            endpoints,
            rate,
            lambda n: bars.update(task, completed=n),
            own_network=own_network,
        )
    result = {"lines": played.lines, "seconds": round(played.seconds, 3), "dropped": played.dropped}
    print_document(output, result, lambda: _tell(played))
    if played.dropped:
        raise typer.Exit(ExitCode.INCOMPLETE)


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


def _describe(truth: Truth, folder: Path) -> None:
    say = result_console().print
    for member in truth.members:
        say(member.name)
        for device in member.devices:
            outcomes = ", ".join(f"{name} {count:,}" for name, count in device.outcomes.items() if count)
            say(f"  {device.name:24}{device.lines:>9,} lines: {outcomes}")
    say("Scripted")
    for episode in truth.episodes:
        rules = ", ".join(episode.findings) or "nothing that must be found"
        say(f"  {episode.id:28}{sum(episode.lines.values()):>6,} lines: {rules}")
    say(f"{truth.lines:,} lines in {folder}")


def _tell(played: Played) -> None:
    say = result_console().print
    for name, count in played.lines.items():
        say(f"{name:24}{count:>9,} lines")
    say(f"{played.total:,} lines in {played.seconds:.1f} s, {played.dropped:,} lost before the receiver")
