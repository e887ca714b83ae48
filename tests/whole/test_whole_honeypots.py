"""Real input: four months of nine honeypots, replayed through nine collectors, counted again in nine reports and the trend report.

The events are the AWS honeypot data that was published with "Data-Driven Security" (Jacobs and Rudis, 2014). They are not part of
the project; the test runs where the file lies beside it.
"""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central import control
from tests.collector.members import Home
from tests.collector.processes import ROOT, cyberalarm
from tests.whole.honeypots import Counts, Event, read

if TYPE_CHECKING:
    from tests.whole.centres import Provisioned, RealCentre

CORPUS = ROOT.parent / "shared" / "corpora" / "marx" / "aws-honeypot"
FORCES = ("kent", "essex", "kent", "surrey", "norfolk", "suffolk", "dorset", "cumbria", "lancashire")

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not list(CORPUS.glob("*.csv")), reason="the honeypots' events are not beside the project"),
]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One honeypot: its member, what the file counts, and the tables of its report."""

    member: Provisioned
    counts: Counts
    ledger: dict[str, int]
    report: dict[str, list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Network:
    honeypots: dict[str, Replayed]
    counts: Counts
    trend: dict[str, list[dict[str, str]]]
    lines_per_second: float
    stored: dict[str, int]


def tables(folder: str) -> dict[str, list[dict[str, str]]]:
    """A report's CSV files by name."""
    with zipfile.ZipFile(Path(folder) / "report-csv.zip") as archive:
        return {
            name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))
            for name in archive.namelist()
        }


def replay(folder: Path, member: Provisioned, events: list[Event], target: str) -> tuple[dict[str, int], float]:
    """One honeypot through the real command; gives its ledger, and seconds from its start to its end."""
    home = Home.make(folder, bundle_seconds=60)
    enrolled = cyberalarm("collector", "enrol", "-", "--config", str(home.path), given=member.token)
    assert enrolled.returncode == 0, enrolled.stderr
    log = folder / "kern.log"
    with log.open("wb") as out:
        out.writelines(event.line(target) for event in events)
    began = time.monotonic()
    done = cyberalarm("collector", "replay", str(log), "--config", str(home.path), "--output", "json", timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["unsent"], told["trouble"]) == (0, "")
    [ledger] = told["devices"].values()
    return ledger, time.monotonic() - began


@pytest.fixture(scope="module")
def network(real_centre: RealCentre, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Everything once: convert, enrol, replay, detect, report."""
    by_host: dict[str, list[Event]] = {}
    whole = Counts()
    for path in sorted(CORPUS.glob("*.csv")):
        for event in read(path):
            by_host.setdefault(event.host, []).append(event)
            whole.add(event)
    members = real_centre.provision(*zip(sorted(by_host), FORCES, strict=True))
    ledgers, counts, seconds = {}, {}, 0.0
    for number, member in enumerate(members):
        events = by_host[member.name]
        folder = tmp_path_factory.mktemp("honeypot") / "collector"
        ledgers[member.name], took = replay(folder, member, events, f"203.0.113.{number + 10}")
        seconds += took
        counts[member.name] = Counts()
        for event in events:
            counts[member.name].add(event)
    control.ask(real_centre.data, "detect")
    first, last = min(whole.days), max(whole.days)
    days = (last - first) // timedelta(days=1) + 1
    arguments = (
        "--config",
        str(real_centre.config),
        "--last",
        last.isoformat(),
        "--days",
        str(days),
        "--output",
        "json",
    )
    said = cyberalarm("central", "report", *arguments, timeout=200)
    assert said.returncode == 0, said.stderr
    made = {row["title"].partition(": ")[2]: tables(row["folder"]) for row in json.loads(said.stdout)}
    honeypots = {m.name: Replayed(m, counts[m.name], ledgers[m.name], made[m.name]) for m in members}
    [trend] = [report for name, report in made.items() if name not in honeypots]
    stored = {member.name: real_centre.stored()[member.member] for member in members}
    return Network(honeypots, whole, trend, whole.received / seconds, stored)


def summary(report: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {row["what"]: row["value"] for row in report["summary"]}


def events_of(rows: list[dict[str, str]], *keys: str) -> dict[tuple[str, ...], int]:
    return {tuple(row[key] for key in keys): int(row["events"]) for row in rows}


def named(ports: Counts) -> dict[tuple[str, ...], int]:
    """Ports as the tables write them."""
    return {(port, protocol): events for (port, protocol), events in ports.ports.items()}


def test_the_file_is_what_it_is(network: Network) -> None:
    assert network.counts.received == 252_702
    assert len(network.honeypots) == 9
    assert network.counts.inside > 0, "some honeypots heard their own network: those lines must stay in"


def test_every_line_has_its_fate(network: Network, record_property: pytest.FixtureRequest) -> None:
    for honeypot in network.honeypots.values():
        fates = {name: lines for name, lines in honeypot.ledger.items() if lines}
        expected = {
            "received": honeypot.counts.received,
            "kept": honeypot.counts.total,
            "internal": honeypot.counts.inside,
        }
        assert fates == {name: lines for name, lines in expected.items() if lines}
    record_property("lines_per_second", round(network.lines_per_second))  # type: ignore[operator]
    print(f"replayed at {network.lines_per_second:,.0f} lines/s, from the start of each command to its last receipt")


def test_the_event_store_holds_each_once(network: Network) -> None:
    assert network.stored == {name: honeypot.counts.total for name, honeypot in network.honeypots.items()}


def test_nine_reports_equal_the_files_own_counts(network: Network) -> None:
    for name, honeypot in network.honeypots.items():
        report, counts = honeypot.report, honeypot.counts
        told = summary(report)
        assert int(told["events"]) == int(told["blocked"]) == counts.total, name
        assert int(told["sources"]) == len(counts.sources), name
        days = {row["day"]: int(row["events"]) for row in report["days"] if int(row["events"])}
        assert days == {day.isoformat(): events for day, events in counts.days.items()}, name
        top = counts.top_sources()
        assert [(row["address"], int(row["events"])) for row in report["sources"]] == top[: len(report["sources"])], (
            name
        )
        listed = events_of(report["ports"], "port", "protocol")
        assert listed.items() <= named(counts).items(), name
        assert max(listed.values()) == max(counts.ports.values()), name
        [collector] = report["collectors"]
        assert (int(collector["received"]), int(collector["kept"])) == (counts.received, counts.total), name


def test_the_trend_report_equals_the_files_own_counts(network: Network) -> None:
    told, counts = summary(network.trend), network.counts
    assert int(told["events"]) == int(told["blocked"]) == counts.total
    assert int(told["sources"]) == len(counts.sources)
    assert int(told["members_reporting"]) == 9
    days = {row["day"]: int(row["events"]) for row in network.trend["days"] if int(row["events"])}
    assert days == {day.isoformat(): events for day, events in counts.days.items()}
    listed = events_of(network.trend["ports"], "port", "protocol")
    assert listed.items() <= named(counts).items()
    assert max(listed.values()) == max(counts.ports.values())
    sources = events_of(network.trend["sources"], "address")
    assert sources
    assert all(counts.sources[address] == events for (address,), events in sources.items())
    for row in network.trend["sources"]:
        hosts = [name for name, one in network.honeypots.items() if one.counts.sources[row["address"]]]
        assert int(row["members"]) == len(hosts), row["address"]
    forces = {row["force"]: int(row["events"]) for row in network.trend["forces"]}
    by_force: dict[str, int] = {}
    for force, honeypot in zip(FORCES, network.honeypots.values(), strict=True):
        by_force[force] = by_force.get(force, 0) + honeypot.counts.total
    assert {force: events for force, events in forces.items() if events} == by_force
