"""`cyberalarm demo`: the whole system at work on this machine, from a firewall's log line to a member's report.

Starts a centre and three collectors as processes of their own, plays a scripted week at them through real sockets, and compares
what was found with what was scripted. Exit code 0 when everything scripted was found and every ledger balances, 1 otherwise.
"""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from cyberalarm.cli.demonstration import stage as stages
from cyberalarm.cli.demonstration.stage import DemoError, Stage
from cyberalarm.cli.demonstration.verdict import EpisodeVerdict, Found, LedgerVerdict, audit, judge
from cyberalarm.cli.django_setup import set_up
from cyberalarm.cli.printing import ExitCode, count_progress, progress_console, result_console
from cyberalarm.core.outcome import OUTCOMES, Ledger

if TYPE_CHECKING:
    from rich.console import Console

    from cyberalarm.central.commands import MadeReport
    from cyberalarm.cli.demonstration.cast import Player, SignIn
    from cyberalarm.cli.demonstration.scan import ScanVerdict
    from cyberalarm.lab.truth import Truth

app = typer.Typer(help="The whole system at work on this machine.")

_RATE = 12_000.0  # lines a second; the demonstration is about the way of a line, not about speed
_LONDON = ZoneInfo("Europe/London")


class _Steps:
    """Says on stderr what is being done, and how long it took."""

    def __init__(self) -> None:
        self._console = progress_console()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        self._console.print(f"[{time.monotonic() - self._began:5.1f} s] {text}", markup=False)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End when done instead of leaving the site up.")] = False,
    folder: Annotated[Path, typer.Option(help="Where everything is kept; emptied at the start.")] = Path("demo-data"),
    seed: Annotated[str, typer.Option(help="The same seed plays the same week.")] = "1",
    scale: Annotated[float, typer.Option(help="Background volume; 1 is about 150,000 lines.")] = 1.0,
) -> None:
    """Play a week at three members' collectors, and look at what comes out."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as ends:
        steps = _Steps()
        run = _Run(stages.fresh_folder(folder), steps, stop)
        ends.callback(run.stage.stop_all)
        good = run.whole(seed, scale)
        run.tell()
        if not once and not stop.is_set():
            result_console().print(f"\nThe site stays up at {run.url} until you press Ctrl-C.")
            stop.wait()
            steps.say("Ending")
    raise typer.Exit(ExitCode.DONE if good else ExitCode.FAILED)


class _Run:
    """One demonstration, step by step."""

    def __init__(self, folder: Path, steps: _Steps, stop: Event) -> None:
        self.folder = folder
        self.stage = Stage(folder)
        self._steps = steps
        self._stop = stop
        self.url = ""
        self._players: list[Player] = []
        self._sign_ins: list[SignIn] = []
        self._ledgers: list[LedgerVerdict] = []
        self._episodes: list[EpisodeVerdict] = []
        self._reports: list[MadeReport] = []
        self._scanned: ScanVerdict | None = None
        self._lines_per_second = 0.0

    def whole(self, seed: str, scale: float) -> bool:
        """Everything up to the verdict: was all that was scripted found, and does every ledger balance?"""
        self._steps.say("Starting the centre")
        self._start_centre()
        self._steps.say("Registering three members and enrolling their collectors")
        self._register()
        self._steps.say("Starting three collectors")
        self._start_collectors()
        truth = self._play(seed, scale)
        self._steps.say("Waiting for the last receipts")
        self._wait_for_receipts(truth)
        from cyberalarm.central import control

        self._steps.say("Running the detection rules")
        control.ask(self._data, "detect")
        self._steps.say("Writing the reports")
        last = datetime.fromtimestamp(truth.end / 1000 - 1, _LONDON).date()
        self._reports = control.ask(self._data, "report", last=last.isoformat(), days=7)  # type: ignore[assignment]
        self._judge(truth)
        self._steps.say("Scanning one member's services, with consent and proof of control")
        self._scan()
        self._steps.say("Done")
        if self._scanned is None or self._scanned.missing:
            return False
        return not any(v.trouble for v in self._ledgers) and not any(v.missing for v in self._episodes)

    @property
    def _data(self) -> Path:
        return self.folder / "centre"

    def _start_centre(self) -> None:
        from cyberalarm.lab import countries

        port = stages.free_port()
        (self.folder / "countries.csv").write_text(countries.table(), "utf-8")
        config = self.folder / "central.toml"
        config.write_text(
            f'data = "centre"\nport = {port}\ncountries_extra = "{self.folder / "countries.csv"}"\n', "utf-8"
        )
        self.stage.start("centre", "central", "serve", "--config", str(config))
        settings = set_up(config, fresh=True)
        self.url = settings.url
        from cyberalarm.central import control
        from cyberalarm.core.errors import NotReachableError

        def answers() -> bool:
            try:
                return control.ask(settings.data, "ping", timeout=5) == "here"
            except NotReachableError:
                return False

        self.stage.wait_for("Starting the centre", answers, 90)

    def _register(self) -> None:
        from cyberalarm.cli.demonstration import cast
        from cyberalarm.lab.scenario import default_scenario

        scenario = default_scenario()
        self._sign_ins += cast.police()
        for member in scenario.members:
            player, officer = cast.join(self.folder, scenario, member)
            self._players.append(player)
            self._sign_ins += [officer, player.sign_in]

    def _start_collectors(self) -> None:
        from cyberalarm.collector import state

        for player in self._players:
            self.stage.start(f"collector-{player.key}", "collector", "run", "--config", str(player.config_path))
        for player in self._players:
            folder = player.config.data
            self.stage.wait_for("Starting a collector", lambda folder=folder: state.read(folder) is not None, 30)  # type: ignore[misc]

    def _play(self, seed: str, scale: float) -> Truth:
        from cyberalarm.lab.generate import plan
        from cyberalarm.lab.play import Endpoint, play
        from cyberalarm.lab.scenario import Transport, default_scenario
        from cyberalarm.lab.truth import Tally

        today = datetime.now(_LONDON).replace(hour=0, minute=0, second=0, microsecond=0)
        decided = plan(default_scenario(), seed, today.astimezone(UTC), 7, scale)
        self._steps.say("Writing a week of log lines")
        tally = Tally(decided)
        lines = []
        for line in decided.lines():
            tally.add(line)
            lines.append(line)
        truth = tally.truth()
        (self.folder / "truth.json").write_text(truth.to_json(), "utf-8")
        endpoints = {}
        for player, member in zip(self._players, truth.members, strict=True):
            for device in member.devices:
                port = player.udp_port if device.transport == Transport.UDP else player.tcp_port
                endpoints[device.name] = Endpoint("127.0.0.1", port)
        self._steps.say(f"Playing {truth.lines:,} lines of {len(truth.devices)} devices at the collectors")
        with count_progress() as bar:
            task = bar.add_task("        Lines", total=truth.lines)
            played = play(lines, truth.devices, endpoints, _RATE, lambda done: bar.update(task, completed=done))
        if played.total != truth.lines:
            raise DemoError(f"Only {played.total:,} of {truth.lines:,} lines were sent.")
        self._lines_per_second = played.total / max(played.seconds, 0.001)
        return truth

    def _wait_for_receipts(self, truth: Truth) -> None:
        """Until every line that was sent has been counted, and every bundle receipted."""
        expected = {m.key: sum(d.lines for d in m.devices) for m in truth.members}

        def settled(player: Player) -> bool:
            from cyberalarm.central.ingest.models import LedgerTotal

            totals = LedgerTotal.objects.filter(collector__reference=player.collector)
            return sum(totals.values_list("received", flat=True)) >= expected[player.key]

        for player in self._players:
            self.stage.wait_for(f"Receiving everything of {player.name}", lambda p=player: settled(p), 120)  # type: ignore[misc]

    def _judge(self, truth: Truth) -> None:
        from cyberalarm.central import control
        from cyberalarm.central.findings.models import Finding
        from cyberalarm.central.ingest.models import LedgerTotal

        stored = control.ask(self._data, "stored")
        assert isinstance(stored, dict)
        for player, member in zip(self._players, truth.members, strict=True):
            expected = sum(device.lines for device in member.devices)
            self.stage.wait_for(
                "The collector's own note",
                lambda p=player, n=expected: _own_ledger(p).received >= n,  # type: ignore[misc]
                20,
            )
            at_centre = Ledger()
            for row in LedgerTotal.objects.filter(collector__reference=player.collector):
                counts = {o: getattr(row, o.value) for o in OUTCOMES}
                at_centre.merge(Ledger(row.received, counts, row.dropped_by_kernel, row.recalled))
            self._ledgers.append(audit(member, _own_ledger(player), at_centre, stored[player.reference]))
        keys = {player.pk: player.key for player in self._players}
        found = [
            Found(
                rule=f.rule,
                member=keys.get(f.member_id or 0, ""),
                source=str(f.source or ""),
                first=f.first_seen,
                last=f.last_seen,
                cves=frozenset(f.facts.cves),
                threats=frozenset(f.facts.threats),
            )
            for f in Finding.objects.all()
        ]
        self._episodes = [judge(episode, found) for episode in truth.episodes]

    def _scan(self) -> None:
        from cyberalarm.cli.demonstration.scan import scan

        player = self._players[1]
        self._scanned = scan(self.folder / "scan", player.reference, player.name)

    def tell(self) -> None:
        """Print what was found, the ledgers, where the reports lie, and how to sign in."""
        console = result_console()
        console.print("\nFound of what was scripted")
        for verdict in self._episodes:
            rules = ", ".join(verdict.rules) or "must only be decoded rightly, whatever it says"
            state = "MISSING" if verdict.missing else "found" if verdict.rules else "–"
            console.print(f"  {state:8}{verdict.episode:28}{rules}")
            for missing in verdict.missing:
                console.print(f"          {missing}")
        self._tell_ledgers(console)
        console.print("\nReports")
        for made in self._reports:
            console.print(f"  {made['title']}")
            for name in made["files"]:
                console.print(f"    {Path(made['folder']) / name}")
        self._tell_scan(console)
        console.print(f"\nThe site: {self.url} (its certificate is self-made: your browser will ask)")
        for sign_in in self._sign_ins:
            console.print(f"  {sign_in.who:45} {sign_in.email:38} {sign_in.password}")
        console.print(
            f"\n{self._steps.elapsed:.0f} s in all; {self._lines_per_second:,.0f} lines/s were played at the collectors."
        )

    def _tell_scan(self, console: Console) -> None:
        scanned = self._scanned
        if scanned is None:
            return
        console.print("  Vulnerability Assessment Report of decoy services on this machine")
        console.print(f"    {scanned.report}")
        console.print(f"    {scanned.services} services, {scanned.findings} findings: {', '.join(scanned.cves)}")
        for missing in scanned.missing:
            console.print(f"    MISSING: {missing}")

    def _tell_ledgers(self, console: Console) -> None:
        console.print("\nLedgers: every line has exactly one fate")
        table = Table("", *(player.key for player in self._players), box=None, padding=(0, 2, 0, 0))
        for column in table.columns[1:]:
            column.justify = "right"
        table.add_row("received", *(f"{v.ledger.received:,}" for v in self._ledgers))
        for outcome in OUTCOMES:
            table.add_row(outcome.value, *(f"{v.ledger.outcomes[outcome]:,}" for v in self._ledgers))
        table.add_row("", *("WRONG" if v.trouble else "balances" for v in self._ledgers))
        console.print(table)
        for verdict in self._ledgers:
            for trouble in verdict.trouble:
                console.print(f"  {verdict.member}: {trouble}")


def _own_ledger(player: Player) -> Ledger:
    """The collector's own ledger over all devices, from the note that it leaves."""
    from cyberalarm.collector import state

    total = Ledger()
    note = state.read(player.config.data)
    for device in note.devices.values() if note else ():
        total.merge(Ledger.from_json(device.ledger))
    return total
