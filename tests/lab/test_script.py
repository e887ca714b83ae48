"""What the truth says was scripted can be read off the lines, and the background is quiet enough."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from importlib.resources import files
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from cyberalarm.core.outcome import Outcome
from cyberalarm.core.ports import amplifier_ports, risky_ports
from cyberalarm.lab import countries
from cyberalarm.lab.hostile import DECOYS
from cyberalarm.lab.scenario import Vendor

from . import readers
from .test_vendors import VENDOR_OF

if TYPE_CHECKING:
    from cyberalarm.lab.episodes import Episode
    from cyberalarm.lab.generate import Plan, PlayLine

MINUTE = 60_000


@pytest.fixture(scope="module")
def seen(week: Plan, lines: list[PlayLine]) -> dict[str, list[readers.Read]]:
    """Every episode's lines that are about something, as a reader reads them."""
    found: dict[str, list[readers.Read]] = defaultdict(list)
    for line in lines:
        if line.scripted:
            read = readers.READERS[VENDOR_OF[line.device]](line.line.decode())
            if read is not None:
                found[line.scripted].append(read)
    return found


def episode(week: Plan, name: str) -> Episode:
    return next(e for e in week.episodes if e.id == name)


def test_every_rule_that_is_expected_exists(week: Plan) -> None:
    folder = files("cyberalarm.central.findings").joinpath("rules")
    known = {tomllib.loads(f.read_text("utf-8"))["id"] for f in folder.iterdir() if f.name.endswith(".toml")}
    expected = {rule for e in week.episodes for rule in e.findings}
    assert expected <= known
    assert len(expected) == 12


def test_the_port_scan_is_one_source_many_ports_in_three_minutes(
    week: Plan, seen: dict[str, list[readers.Read]]
) -> None:
    rows, e = seen["business-port-scan"], episode(week, "business-port-scan")
    assert {(r.src, r.dst) for r in rows} == {(e.sources[0], e.targets[0])}
    assert sorted(r.dst_port for r in rows) == list(e.ports)
    assert rows[-1].time - rows[0].time <= 3 * MINUTE
    assert not any(r.allowed for r in rows)


def test_the_sweep_reaches_every_address_within_five_minutes(week: Plan, seen: dict[str, list[readers.Read]]) -> None:
    rows, e = seen["school-sweep"], episode(week, "school-sweep")
    assert {r.dst for r in rows} == set(e.targets)
    assert len(e.targets) >= 25
    assert {r.dst_port for r in rows} == {445}
    assert rows[-1].time - rows[0].time < 5 * MINUTE


def test_the_slow_scan_tries_a_port_about_every_twenty_minutes(seen: dict[str, list[readers.Read]]) -> None:
    rows = seen["council-slow-scan"]
    gaps = [b.time - a.time for a, b in pairwise(rows)]
    assert len({r.dst_port for r in rows}) == len(rows) == 216
    assert all(15 * MINUTE < gap < 25 * MINUTE for gap in gaps)


@pytest.mark.parametrize(
    ("name", "port", "allowed"), [("council-ssh-guessing", 22, False), ("school-remote-desktop", 3389, True)]
)
def test_guessing_runs_are_dense_enough_to_see(
    seen: dict[str, list[readers.Read]], name: str, port: int, allowed: bool
) -> None:
    rows = seen[name]
    assert {r.dst_port for r in rows} == {port}
    assert {r.allowed for r in rows} == {allowed}
    for source in {r.src for r in rows}:
        times = [r.time for r in rows if r.src == source]
        assert max(sum(t <= x < t + 30 * MINUTE for x in times) for t in times) >= 30


def test_the_victim_gets_large_replies_from_many_reflectors(seen: dict[str, list[readers.Read]]) -> None:
    rows = seen["business-amplification"]
    assert len(rows) == 3000
    assert len({r.src for r in rows}) > 50
    assert {r.src_port for r in rows} <= amplifier_ports()
    assert all(r.protocol == 17 and r.size > 400 and not r.allowed for r in rows)


def test_the_reflector_gets_small_requests_in_one_name(seen: dict[str, list[readers.Read]]) -> None:
    rows = seen["council-reflector"]
    assert len({r.src for r in rows}) == 1
    assert all(r.dst_port in amplifier_ports() and r.size < 100 and r.allowed for r in rows)


def test_exploit_alerts_name_the_cve_numbers_of_the_truth(week: Plan, seen: dict[str, list[readers.Read]]) -> None:
    for name in ("business-exploits-suricata", "council-exploits-suricata"):
        named = {cve for r in seen[name] for cve in r.cves}
        assert named == set(episode(week, name).cves)
        assert named


def test_malware_is_named_as_in_the_truth(week: Plan, seen: dict[str, list[readers.Read]]) -> None:
    for e in week.episodes:
        if e.malware:
            assert {r.name for r in seen[e.id]} == set(e.malware)


def test_spam_runs_are_two_hundred_and_forty_verdicts_in_forty_minutes(
    lines: list[PlayLine], seen: dict[str, list[readers.Read]]
) -> None:
    for name in ("school-spam-run", "business-spam-run"):
        assert Counter(r.name for r in seen[name]) == {"spam": 240}
        times = [x.time for x in lines if x.scripted == name]
        assert times[-1] - times[0] <= 41 * MINUTE


def test_the_shared_source_reaches_all_members_and_rises(week: Plan, lines: list[PlayLine]) -> None:
    mine = [x for x in lines if x.scripted == "everywhere-rising"]
    assert {x.device for x in mine} == {"school-fortigate", "business-pfsense", "council-asa"}
    days = Counter((x.time - week.window.start) // 86_400_000 for x in mine)
    assert [days[d] for d in range(7)] == sorted(days.values())
    assert days[6] > 10 * days[0]


def test_hostile_text_stays_text(week: Plan, lines: list[PlayLine]) -> None:
    """No careful reader takes an address out of a user name, URL, path or sender."""
    holding = 0
    for line in lines:
        read = readers.READERS[VENDOR_OF[line.device]](line.line.decode())
        if read is not None:
            assert read.src not in DECOYS
            assert read.dst not in DECOYS
        if any(d.encode() in line.line for d in DECOYS):
            holding += 1
            assert line.scripted is not None
            assert line.scripted.endswith("-hostile-text")
    assert holding > 60
    assert {x.device for x in lines if x.scripted and x.scripted.endswith("-hostile-text")} == {
        d.name for d in week.scenario.devices
    }


def test_expected_outcomes_follow_from_the_addresses(week: Plan, lines: list[PlayLine]) -> None:
    """The sieve's rules in a few lines, over what a reader sees, give the outcome that the truth expects."""
    networks = {
        d.name: [ip_network(n) for n in (*m.internal, *m.public)] for m in week.scenario.members for d in m.devices
    }
    detectors = (Vendor.SURICATA, Vendor.CLAMAV, Vendor.SPAMASSASSIN, Vendor.RSPAMD)
    for line in lines:
        read = readers.READERS[VENDOR_OF[line.device]](line.line.decode())
        if read is None or not read.dst or VENDOR_OF[line.device] in detectors or b'type="utm"' in line.line:
            continue
        ours = [any(ip_address(a) in n for n in networks[line.device]) for a in (read.src, read.dst)]
        if all(ours):
            expected = Outcome.INTERNAL
        elif ours[0]:
            expected = Outcome.OUTBOUND
        elif read.src in week.scenario.trusted:
            expected = Outcome.TRUSTED
        elif not read.allowed or read.dst_port in risky_ports() | amplifier_ports():
            expected = Outcome.KEPT
        else:
            expected = Outcome.ROUTINE
        assert line.outcome is expected, line


def test_harmless_visitors_are_never_also_suspicious(lines: list[PlayLine]) -> None:
    by_outcome: dict[Outcome, set[str]] = defaultdict(set)
    for line in lines:
        read = readers.READERS[VENDOR_OF[line.device]](line.line.decode())
        if read is not None and read.src and VENDOR_OF[line.device] is not Vendor.RSPAMD:
            by_outcome[line.outcome].add(read.src)
    assert not by_outcome[Outcome.ROUTINE] & by_outcome[Outcome.KEPT]


def test_the_background_alone_fires_no_scan_or_guessing_rule(lines: list[PlayLine]) -> None:
    ports: dict[tuple[str, str], set[int]] = defaultdict(set)
    tries: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for line in lines:
        read = readers.READERS[VENDOR_OF[line.device]](line.line.decode())
        if line.scripted is None and line.outcome is Outcome.KEPT and read is not None and read.src:
            ports[line.device, read.src].add(read.dst_port)
            tries[line.device, read.src, read.dst_port].append(read.time // (30 * MINUTE))
    assert max(map(len, ports.values())) < 15
    assert max(max(Counter(halves).values()) for halves in tries.values()) < 15


def test_sources_come_from_many_countries_of_the_table(week: Plan, lines: list[PlayLine]) -> None:
    table = dict(row.split(",") for row in countries.table().splitlines()[1:])
    networks = {ip_network(n): c for n, c in table.items()}
    assert len(set(table.values())) >= 25
    assert all(n.subnet_of(ip_network("198.18.0.0/15")) for n in networks if n.version == 4)  # type: ignore[arg-type]
    crowd = week.population.crowds["school"].sources
    lands = {networks[ip_network(f"{s.address}/24", strict=False)] for s in crowd if not s.ipv6}
    assert len(lands) > 20
    assert "GB" in lands
    reached = [{s.address for s in c.sources} for c in week.population.crowds.values()]
    assert set(week.population.everywhere) == reached[0] & reached[1] & reached[2]
