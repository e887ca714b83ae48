"""Nothing that the lab scripted is lost on a collector's way: decode, sieve, summary, seal. Every other line ends as the truth
says, and the counts of every flow are exact.

What must leave is told by the lab's truth, which knows nothing of packs, rules or summaries. What left is read as the centre
reads it. The same comparison must find something as soon as a rule is broken, or a bundle's row is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from cyberalarm.collector import sieve
from cyberalarm.collector.config import CollectorConfig, Networks
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.spool import Spool
from cyberalarm.core.outcome import Outcome
from cyberalarm.envelope import payload, sealing
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.formats.library import bundled
from cyberalarm.lab.generate import Plan, PlayLine, plan
from cyberalarm.lab.scenario import default_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.lab.scenario import Member

TO = AnalysisKey.generate(Suite.CLASSIC)
UNTIL = datetime(2026, 3, 9, 12, tzinfo=UTC)
LINES_A_CHUNK, LINES_A_BUNDLE = 200, 2_000
# What tells flows apart, but for the direction, which the sieve finds out.
FLOW = (
    "sensor", "product", "device", "action", "src_ip", "dst_ip", "dst_port", "protocol", "evidence", "signature_id", "signature",
    "category", "severity", "cve", "threat", "file_sha256", "sender_domain",
)  # fmt: skip
SUMS = ("count", "bytes_in", "bytes_out", "packets")
Flow = tuple[object, ...]


@dataclass
class Flows:
    """By minute and flow: what is summed up, and when the first and last line was."""

    sums: dict[Flow, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    times: dict[Flow, tuple[object, object]] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            minute = row["time"].replace(second=0, microsecond=0)
            cve = tuple(row["cve"])
            key = (minute, *(cve if name == "cve" else row[name] for name in FLOW))
            self.sums[key].update({name: row[name] or 0 for name in SUMS})
            first, last = self.times.get(key, (row["time"], row["last"]))
            self.times[key] = min(first, row["time"]), max(last, row["last"])


@pytest.fixture(scope="module")
def week() -> Plan:
    return plan(default_scenario(), "false drop", UNTIL, days=7, scale=0.05)


@pytest.fixture(scope="module")
def lines(week: Plan) -> list[PlayLine]:
    return list(week.lines())


def collected(folder: Path, member: Member, week: Plan, lines: list[PlayLine]) -> Pipeline:
    """One member's collector after the week: its devices' lines in the order of time, in chunks, in bundles."""
    networks = Networks(own=list(member.public), trusted=list(week.scenario.trusted))
    config = CollectorConfig(time_zone="UTC", networks=networks)
    sealer = Sealer("c-test", SigningKey.generate(), TO.public)
    made = Pipeline(config, bundled(), DeviceNames(folder), Spool(folder / "spool", 10**9), sealer)
    names = {device.name for device in member.devices}
    waiting: dict[str, list[bytes]] = defaultdict(list)
    for number, line in enumerate((one for one in lines if one.device in names), 1):
        waiting[line.device].append(line.line)
        if number % LINES_A_CHUNK == 0:
            _take(made, waiting, line.time)
        if number % LINES_A_BUNDLE == 0:
            made.close_bundle()
    _take(made, waiting, week.window.end)
    made.close_bundle()
    assert made.unspooled == 0
    return made


def _take(made: Pipeline, waiting: dict[str, list[bytes]], now: int) -> None:
    for device, gathered in waiting.items():
        made.take(Chunk(device, b"".join(line + b"\n" for line in gathered)), reference_ms=now)
    waiting.clear()


def left(folder: Path) -> Iterator[pa.Table]:
    """What the centre reads, bundle by bundle."""
    for path in sorted((folder / "spool").glob("*.env")):
        _, stream = payload.unpack(sealing.open_sealed(path.read_bytes(), {TO.public.key_id: TO}))
        yield pa.ipc.open_stream(stream).read_all()


def expected(folder: Path, sent: list[PlayLine]) -> Flows:
    """The flows of lines that must leave, each line as it decodes."""
    flows, names = Flows(), DeviceNames(folder)
    by_device: dict[str, list[PlayLine]] = defaultdict(list)
    for line in sent:
        by_device[line.device].append(line)
    for device, gathered in by_device.items():
        buffer = b"".join(line.line + b"\n" for line in gathered)
        batch = bundled().kernel.decode(buffer, received_ms=gathered[-1].time)
        assert batch.rows == len(gathered), "each is an event"
        flows.add(pa.ipc.open_stream(batch.to_ipc(names.name(device))).read_all())
    return flows


def compared(folder: Path, week: Plan, lines: list[PlayLine]) -> tuple[dict[str, int], int]:
    """Lines missing by episode, and flows that differ in any way over all members."""
    missing: dict[str, int] = {}
    differing = 0
    for member in week.scenario.members:
        home = folder / member.key
        home.mkdir(parents=True)
        collected(home, member, week, lines)
        arrived = Flows()
        for table in left(home):
            arrived.add(table)
        names = {device.name for device in member.devices}
        kept = [one for one in lines if one.device in names and one.outcome is Outcome.KEPT]
        wanted = expected(home, kept)
        keys = wanted.sums.keys() | arrived.sums.keys()
        differing += sum(
            (wanted.sums.get(key), wanted.times.get(key)) != (arrived.sums.get(key), arrived.times.get(key))
            for key in keys
        )
        for episode in {one.scripted for one in kept if one.scripted}:
            its = expected(home, [one for one in kept if one.scripted == episode])
            lost = sum(max(0, its.sums[key]["count"] - arrived.sums[key]["count"]) for key in list(its.sums))
            if lost:
                missing[episode] = missing.get(episode, 0) + lost
    return missing, differing


def test_no_scripted_event_is_lost_and_every_count_is_exact(week: Plan, lines: list[PlayLine], tmp_path: Path) -> None:
    episodes = {episode.id for episode in week.episodes}
    assert {line.scripted for line in lines if line.scripted} == episodes
    assert sum(line.scripted is not None and line.outcome is Outcome.KEPT for line in lines) > 8_000
    assert compared(tmp_path, week, lines) == ({}, 0)


def test_every_line_has_the_fate_that_the_truth_says(week: Plan, lines: list[PlayLine], tmp_path: Path) -> None:
    for member in week.scenario.members:
        home = tmp_path / member.key
        home.mkdir()
        totals = collected(home, member, week, lines).totals
        names = {device.name for device in member.devices}
        told = Counter(line.outcome for line in lines if line.device in names)
        assert {outcome: count for outcome, count in totals.outcomes.items() if count} == told
        assert totals.balanced


@pytest.mark.parametrize(
    ("broken", "lost"),
    [
        ("blocked on the way in", {"business-port-scan", "school-sweep", "council-slow-scan", "council-ssh-guessing"}),
        (
            "detection by an intrusion detection, antivirus or antispam product",
            {"school-malware-web", "council-malware-files"},
        ),
        ("let in to a service that should not face the Internet", {"school-remote-desktop"}),
    ],
)
def test_a_broken_rule_is_found(
    week: Plan, lines: list[PlayLine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, lost: set[str]
) -> None:
    rules = sieve.bundled_rules()
    assert broken in {rule.name for rule in rules}
    changed = [rule.model_copy(update={"outcome": "routine"}) if rule.name == broken else rule for rule in rules]
    monkeypatch.setattr(sieve, "bundled_rules", lambda: changed)
    missing, differing = compared(tmp_path, week, lines)
    assert lost <= set(missing)
    assert differing


def test_a_rule_that_keeps_too_much_is_found(
    week: Plan, lines: list[PlayLine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [rule for rule in sieve.bundled_rules() if rule.name != "inside the member's network"]
    monkeypatch.setattr(sieve, "bundled_rules", lambda: rules)
    missing, differing = compared(tmp_path, week, lines)
    assert not missing
    assert differing


@pytest.mark.parametrize("column", ["count", "dst_port", "bytes_in", "last"])
def test_a_summary_that_is_wrong_in_one_row_is_found(
    week: Plan, lines: list[PlayLine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    def damaged(folder: Path) -> Iterator[pa.Table]:
        for table in _LEFT(folder):
            at, values = table.column_names.index(column), table[column].to_pylist()
            number = next((n for n, value in enumerate(values) if value), None)
            if number is not None:
                values[number] = values[number].replace(year=2027) if column == "last" else values[number] - 1
            yield table.set_column(at, table.schema.field(column), pa.array(values, table.schema.field(column).type))

    monkeypatch.setitem(globals(), "left", damaged)
    short = [line for line in lines if line.time < week.window.start + 86_400_000]
    _, differing = compared(tmp_path, week, short)
    assert differing


_LEFT = left
