"""The runner on a real event store and database: idempotent, never too late, true to people's decisions."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from cyberalarm.central.events.arrow import FieldValue, Origin, table_of, with_origin
from cyberalarm.central.events.spans import Span
from cyberalarm.central.findings.evidence import Evidence, Reporter
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.findings.services import run
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Member

START = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
NATIONAL = Scope.national()
MINUTE = timedelta(minutes=1)


def guessing(at: datetime, tries: int = 40, **more: FieldValue) -> list[dict[str, FieldValue]]:
    """Tries at SSH, one in ten seconds."""
    event: dict[str, FieldValue] = {"sensor": "firewall", "action": "blocked", "direction": "inbound"}
    event |= {"src_ip": "198.18.0.9", "dst_ip": "203.0.113.10", "dst_port": 22, "protocol": 6, **more}
    return [{**event, "time": at + n * timedelta(seconds=10)} for n in range(tries)]


def send(
    store: EventStore, member: Member, rows: list[dict[str, FieldValue]], stored: datetime, sequence: int = 1
) -> None:
    origin = Origin(member.pk, member.pk, sequence, member.force, member.region, stored)
    store.insert(with_origin(table_of(rows), origin))


def kept() -> list[tuple[object, ...]]:
    """Everything about all findings but their ids and when they were written."""
    values = Finding.objects.order_by("rule", "member", "group_key", "day").values_list(
        "rule", "member", "group_key", "day", "first_seen", "last_seen", "episode_start", "episode_end",
        "count", "status", "severity", "spoofable", "source", "evidence", "merged_into",
    )  # fmt: skip
    return [tuple(str(v) for v in row) for row in values]


def test_a_finding_says_what_was_seen(store: EventStore, members: list[Member]) -> None:
    send(store, members[0], guessing(START, 40, count=2), START + timedelta(hours=1))
    result = run(store, START + timedelta(hours=1), NATIONAL)
    assert (result.created, result.updated) == (1, 0)
    finding = Finding.objects.get()
    assert finding.rule == "ssh-guessing"
    assert finding.member == members[0]
    assert finding.title == "Repeated tries at remote shell (SSH) from 198.18.0.9"
    assert finding.count == 80
    assert (finding.first_seen, finding.last_seen) == (START, START + 39 * timedelta(seconds=10))
    assert (finding.source, finding.source_role, finding.spoofable) == ("198.18.0.9", "origin", True)
    assert finding.facts == Evidence(
        tries=80, members=1, forces=1, blocked=80, source_count=1, target_count=1, port_count=1,
        sources=("198.18.0.9",), targets=("203.0.113.10",), ports=(22,), reporters=(Reporter("", ""),),
    )  # fmt: skip
    assert finding.advice
    assert Evidence.from_json(finding.facts.to_json()) == finding.facts


def test_a_source_that_was_answered_cannot_be_forged(store: EventStore, members: list[Member]) -> None:
    send(store, members[0], guessing(START, evidence="established", action="allowed"), START)
    run(store, START, NATIONAL)
    assert Finding.objects.get(rule="ssh-guessing").spoofable is False
    open_port = Finding.objects.get(rule="open-risky-port")
    assert open_port.severity == Finding.Severity.HIGH
    assert open_port.title.startswith("SSH remote shell, port 22 at 203.0.113.10")
    assert open_port.advice[0].startswith("Close SSH remote shell, port 22 to the Internet")


def found_by_antivirus(at: datetime, action: str, threat: str, device: str = "d-9") -> dict[str, FieldValue]:
    event: dict[str, FieldValue] = {"time": at, "sensor": "antivirus", "category": "malware", "action": action}
    return {**event, "product": "clamav", "device": device, "threat": threat, "severity": 3}


def test_malware_names_who_reported_it_and_when(store: EventStore, members: list[Member]) -> None:
    times = [START, START + 20 * MINUTE]
    send(store, members[0], [found_by_antivirus(t, "detected", "Win.Trojan.Example-1") for t in times], START)
    run(store, START, NATIONAL)
    finding = Finding.objects.get()
    assert finding.facts.reporters == (Reporter("clamav", "d-9"),)
    assert "clamav (device d-9) reported it on 2 November 2026 between 10:00 and 10:20" in finding.advice[0]
    assert Evidence.from_json(finding.facts.to_json()) == finding.facts


def test_malware_that_was_blocked_ranks_below_malware_that_was_only_detected(
    store: EventStore, members: list[Member]
) -> None:
    rows = [found_by_antivirus(START, "blocked", "Doc.Blocked-1") for _ in range(9)]
    rows += [found_by_antivirus(START, action, "Win.Half-1") for action in ("blocked", "detected")]
    rows += [found_by_antivirus(START, "detected", "Win.Test.EICAR_HDB-1")]
    send(store, members[0], rows, START)
    run(store, START, NATIONAL)
    ranked = Finding.objects.values_list("rule", "severity", "title")
    assert list(ranked) == [
        ("malware", Finding.Severity.HIGH, "Malware found: Win.Half-1"),
        ("malware", Finding.Severity.MEDIUM, "Malware found: Doc.Blocked-1"),
        ("malware-test-file", Finding.Severity.LOW, "Test file found: your antivirus works"),
    ]


def test_a_flood_of_reflected_answers_is_one_finding_and_no_scan(store: EventStore, members: list[Member]) -> None:
    """Many servers' answers, each server's from its service's port to ports chosen at random."""
    draw = random.Random(3)
    rows: list[dict[str, FieldValue]] = []
    for at in range(4_000):
        event: dict[str, FieldValue] = {"time": START + timedelta(seconds=at / 20), "direction": "inbound"}
        event |= {"sensor": "firewall", "action": "blocked", "src_ip": f"198.18.9.{at % 80}", "protocol": 17}
        event |= {"src_port": (53, 123, 389, 11211)[at % 4], "dst_port": draw.randrange(1024, 65536)}
        rows.append({**event, "dst_ip": "203.0.113.10", "bytes_in": 1400})
    send(store, members[0], rows, START)
    run(store, START, NATIONAL)
    assert list(Finding.objects.values_list("rule", flat=True)) == ["amplification-victim"]
    # The same packets from ports of their own are eighty scans.
    other = [{**row, "src_port": 40_000, "dst_ip": "203.0.113.11"} for row in rows]
    send(store, members[0], other, START + MINUTE, 2)
    run(store, START + MINUTE, NATIONAL)
    assert Finding.objects.filter(rule="port-scan").count() == 80


def test_running_again_changes_nothing(store: EventStore, members: list[Member]) -> None:
    send(store, members[0], guessing(START), START + MINUTE)
    run(store, START + MINUTE, NATIONAL)
    before = kept()
    for minutes in (1, 2, 500):
        assert run(store, START + minutes * MINUTE, NATIONAL).created == 0
    again = run(store, START, NATIONAL, Span(START - timedelta(days=3), START + timedelta(days=3)))
    assert (again.created, again.updated) == (0, 1)
    assert kept() == before


def test_nothing_new_asks_no_rule(store: EventStore, members: list[Member]) -> None:
    assert run(store, START, NATIONAL).span is None


def test_a_bundle_that_arrives_days_late_is_looked_at(store: EventStore, members: list[Member]) -> None:
    run(store, START, NATIONAL)
    late = START + timedelta(days=9)
    send(store, members[0], guessing(START), late)
    assert run(store, late, NATIONAL).created == 1
    assert Finding.objects.get().day == START.date()


def test_a_bundle_stored_just_before_the_last_run_is_not_missed(store: EventStore, members: list[Member]) -> None:
    """Its rows may have become visible only after that run looked."""
    run(store, START + timedelta(minutes=5), NATIONAL)
    send(store, members[0], guessing(START), START + timedelta(minutes=4, seconds=59))
    assert run(store, START + timedelta(minutes=6), NATIONAL).created == 1


@pytest.mark.parametrize("seed", range(4))
def test_in_pieces_and_at_once_end_in_the_same_findings(store: EventStore, members: list[Member], seed: int) -> None:
    """Two weeks of guessing with pauses, sent as bundles in order, looked at after each bundle or once."""
    rng = random.Random(seed)
    rows, at = [], START
    for _ in range(10):
        rows += guessing(at, rng.randrange(20, 90))
        at += timedelta(hours=rng.choice([1, 5, 20, 26, 50]))
    rows.sort(key=lambda row: str(row["time"]))
    cuts = sorted(rng.sample(range(1, len(rows)), 12))
    now = START + timedelta(days=30)
    for number, (low, high) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        send(store, members[0], rows[low:high], now + number * MINUTE, number)
        run(store, now + number * MINUTE, NATIONAL)
    in_pieces = kept()
    Finding.objects.all().delete()
    run(store, now, NATIONAL, Span(START - timedelta(days=1), at + timedelta(days=1)))
    assert in_pieces == kept()
    assert in_pieces


def test_one_long_episode_is_one_finding_and_a_day_of_silence_ends_it(store: EventStore, members: list[Member]) -> None:
    hours = [0, 5, 20, 30, 60, 70]
    rows = [row for h in hours for row in guessing(START + timedelta(hours=h))]
    send(store, members[0], rows, START)
    run(store, START, NATIONAL)
    found = Finding.objects.filter(rule="ssh-guessing").order_by("day")
    assert [f.count for f in found] == [4 * 40, 2 * 40]
    assert sum(f.count for f in found) == len(rows)


def test_late_evidence_joins_two_findings_into_the_earlier(store: EventStore, members: list[Member]) -> None:
    for number, hours in enumerate((0, 40, 20)):
        stored = START + timedelta(days=10 + number)
        send(store, members[0], guessing(START + timedelta(hours=hours)), stored, number)
        run(store, stored, NATIONAL)
    earlier, later = Finding.objects.filter(rule="ssh-guessing").order_by("first_seen")
    assert earlier.count == 120
    assert (later.merged_into, later.status) == (earlier, Finding.Status.CLOSED)
    run(store, START + timedelta(days=20), NATIONAL, Span(START, START + timedelta(days=3)))
    assert Finding.objects.filter(rule="ssh-guessing").count() == 2


def test_what_people_decided_outlives_a_run(store: EventStore, members: list[Member]) -> None:
    send(store, members[0], guessing(START), START)
    run(store, START, NATIONAL)
    whole = Span(START - timedelta(days=1), START + timedelta(days=1))
    for status in (Finding.Status.ACKNOWLEDGED, Finding.Status.CLOSED):
        Finding.objects.update(status=status)
        run(store, START, NATIONAL, whole)
        assert Finding.objects.get().status == status
    send(store, members[0], guessing(START + timedelta(hours=2)), START + timedelta(hours=3), 2)
    run(store, START + timedelta(hours=3), NATIONAL)
    assert Finding.objects.get().status == Finding.Status.OPEN


def test_members_are_kept_apart_and_erased_members_passed_over(store: EventStore, members: list[Member]) -> None:
    for member in members[:2]:
        send(store, member, guessing(START, 20), START)
    rows = table_of(guessing(START))
    store.insert(with_origin(rows, Origin(10**6, 1, 1, "kent", "south-east", START)))
    run(store, START, NATIONAL)
    assert not Finding.objects.filter(rule="ssh-guessing").exists()


def test_scopes_see_their_own_findings(store: EventStore, members: list[Member]) -> None:
    for member in members:
        send(store, member, guessing(START), START)
    run(store, START, NATIONAL)

    def seen(scope: Scope) -> int:
        return Finding.objects.all().within(scope).filter(rule="ssh-guessing").count()

    assert seen(NATIONAL) == 4
    assert seen(Scope.of_member(members[0].pk)) == 1
    assert seen(Scope.of_force("kent")) == 2
    assert seen(Scope.of_region(members[2].region)) == 1
    assert seen(Scope.of_force("cumbria")) == 0
    network = Finding.objects.get(rule="source-at-several-members")
    assert network.member is None
    assert network.facts.members == 4
    assert network not in Finding.objects.all().within(Scope.of_force("kent"))


def test_a_run_in_a_force_s_scope_writes_only_its_members_findings(store: EventStore, members: list[Member]) -> None:
    for member in members:
        send(store, member, guessing(START), START)
    span = Span(START - timedelta(days=1), START + timedelta(days=1))
    run(store, START, Scope.of_force("kent"), span)
    assert {f.member for f in Finding.objects.all()} == set(members[:2])
    with pytest.raises(ValueError, match="span"):
        run(store, START, Scope.of_force("kent"))


def test_very_long_and_hostile_group_values(store: EventStore, members: list[Member]) -> None:
    """Signatures are written by strangers: quotes, brackets, marks of SQL, told apart at any length."""
    base = ("it's ['a','b'] \\' {scope} -- \u202e" + "x" * 400)[:500]
    event: dict[str, FieldValue] = {
        "time": START,
        "sensor": "ids",
        "direction": "inbound",
        "src_ip": "198.18.0.1",
    }
    event["cve"] = ["CVE-2021-44228"]
    both = [{**event, "signature": base + tail * 300} for tail in ("é", "ü")]
    send(store, members[0], both, START)
    for _ in range(2):
        run(store, START, NATIONAL)
        assert sorted(f.count for f in Finding.objects.filter(rule="exploit-attempt")) == [1, 1]
    assert Finding.objects.filter(rule="exploit-attempt").first().what  # type: ignore[union-attr]


def test_a_burst_over_the_edge_of_a_window_is_found(store: EventStore, members: list[Member]) -> None:
    """Half a window's worth of tries fires wherever it begins."""
    rows = []
    for at in range(30):
        begin = START + timedelta(hours=3 * at, seconds=61 * at)
        rows += [{**row, "dst_ip": f"203.0.113.{at}"} for row in guessing(begin, 30)]
    send(store, members[0], rows, START)
    run(store, START, NATIONAL)
    assert Finding.objects.filter(rule="ssh-guessing").count() == 30
    assert pa.compute.sum(table_of(rows)["count"]).as_py() == sum(
        f.count for f in Finding.objects.filter(rule="ssh-guessing")
    )
