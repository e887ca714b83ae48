"""A member that lies, or at which somebody forges packets, takes nothing from the others, and does not stop the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyberalarm.central.events.errors import EventStoreError
from cyberalarm.central.events.spans import Span
from cyberalarm.central.findings import backlog
from cyberalarm.central.findings.backlog import GRACE, MOST_ATTEMPTS, Standing
from cyberalarm.central.findings.detecting import MOST_OF_A_MEMBER
from cyberalarm.central.findings.models import DetectionRun, DetectionTask, Finding
from cyberalarm.central.findings.rule import Kind
from cyberalarm.central.findings.services import RECENT, run
from cyberalarm.central.findings.writing import ALL_GROUPS
from cyberalarm.core.places import Scope
from tests.events.event_rows import emptied
from tests.findings.test_finding_runs import guessing, send

if TYPE_CHECKING:
    from cyberalarm.central.events import queries
    from cyberalarm.central.events.arrow import FieldValue
    from cyberalarm.central.events.rows import Row
    from cyberalarm.central.events.store import EventStore, Parameter
    from cyberalarm.central.members.models import Member

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NATIONAL = Scope.national()
MINUTE = timedelta(minutes=1)
MANY = MOST_OF_A_MEMBER + 100
State = DetectionTask.State


@pytest.fixture(autouse=True)
def _no_tasks(members: list[Member]) -> None:
    DetectionTask.objects.all().delete()


def malware(at: datetime, names: list[str]) -> list[dict[str, FieldValue]]:
    event: dict[str, FieldValue] = {"time": at, "sensor": "antivirus", "category": "malware", "action": "detected"}
    return [{**event, "threat": name, "severity": 3} for name in names]


def scan(at: datetime, source: str, **more: FieldValue) -> list[dict[str, FieldValue]]:
    event: dict[str, FieldValue] = {"time": at, "sensor": "firewall", "action": "blocked", "direction": "inbound"}
    event |= {"src_ip": source, "dst_ip": "203.0.113.7", "protocol": 6, **more}
    return [{**event, "dst_port": 1000 + port} for port in range(16)]


def found_at(members: list[Member]) -> list[tuple[object, ...]]:
    """Everything that is said of these members' findings."""
    rows = Finding.objects.filter(member__in=members).order_by("rule", "member", "group_key", "day")
    return [tuple(map(str, row)) for row in rows.values_list(
        "rule", "member", "group_key", "day", "first_seen", "last_seen", "count", "severity", "evidence", "status",
    )]  # fmt: skip


def begin_again(store: EventStore) -> None:
    Finding.objects.all().delete()
    DetectionTask.objects.all().delete()
    DetectionRun.objects.all().delete()
    emptied(store)


AGES = st.sampled_from([0.01, 0.5, 3, 7.9, 8.1, 40, 400, 9000, -0.9, -300])
HONEST = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0.01, 0.3, 5, 12, 50]), st.integers(20, 60)), min_size=1
)
LIES = st.lists(st.tuples(AGES, st.sampled_from(["malware", "scan", "guessing"])), min_size=1, max_size=4)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(honest=HONEST, lies=LIES)
def test_with_a_liar_honest_members_have_the_same_findings(
    store: EventStore, members: list[Member], honest: list[tuple[int, float, int]], lies: list[tuple[float, str]]
) -> None:
    """The liar's number is the lowest, so whatever goes by numbers meets the liar first."""
    seen = []
    for lying in (False, True):
        begin_again(store)
        for number, (at, age, tries) in enumerate(honest):
            rows = guessing(NOW - timedelta(days=age), tries) + malware(NOW - timedelta(days=age), [f"Real.{tries}"])
            send(store, members[at], rows, NOW, number)
        for number, (age, kind) in enumerate(lies if lying else ()):
            when = NOW - timedelta(days=age)
            rows = malware(when, [f"Fake.{number}.{n:05d}" for n in range(MANY)])
            if kind == "scan":
                rows = [row for n in range(MANY) for row in scan(when, f"198.18.{n // 250}.{n % 250}", count=2**31)]
            if kind == "guessing":
                rows = guessing(when, 40, count=2**31)
            send(store, members[0], rows, NOW, number)
        run(store, NOW, NATIONAL)
        run(store, NOW + MINUTE, NATIONAL)
        seen.append(found_at(members[1:]))
    assert seen[0] == seen[1]
    assert {row[0] for row in seen[0]} >= {"malware"}


def test_more_than_can_be_listed_is_one_finding_that_says_how_many(store: EventStore, members: list[Member]) -> None:
    at = NOW - 5 * MINUTE
    send(store, members[0], malware(at, [f"Fake.{n:05d}" for n in range(MANY)]), NOW)
    send(store, members[1], malware(at, ["Win.Ransomware.Real"]), NOW)
    result = run(store, NOW, NATIONAL)
    assert result.cut == ("malware",)
    of_liar = Finding.objects.filter(member=members[0])
    assert of_liar.exclude(group_key=ALL_GROUPS).count() == MOST_OF_A_MEMBER
    whole = of_liar.get(group_key=ALL_GROUPS)
    assert (whole.facts.groups, whole.count, whole.first_seen, whole.source) == (MANY, MANY, at, None)
    assert whole.title == "Too many to list one by one: Malware found: many names"
    assert f"{MANY:,} times over" in whole.what
    assert "{" not in whole.what + "".join(whole.advice)
    assert Finding.objects.get(member=members[1]).title == "Malware found: Win.Ransomware.Real"
    before = found_at(members)
    for minutes in (1, 2, 30):
        assert run(store, NOW + minutes * MINUTE, NATIONAL).created == 0
    assert found_at(members) == before
    # A part of it, looked at again, does not make it less.
    send(store, members[0], malware(at + MINUTE, ["Fake.00001"]), NOW + 60 * MINUTE, 2)
    with store._client() as client:
        client.command("delete from events where threat like 'Fake.000%' and sequence = 1")
    run(store, NOW + 60 * MINUTE, NATIONAL)
    assert Finding.objects.get(member=members[0], group_key=ALL_GROUPS).facts.groups == MANY


def test_a_source_that_was_answered_is_listed_before_forged_ones(store: EventStore, members: list[Member]) -> None:
    """The forged packets are more, come from more addresses, and sort first by any of them."""
    at = NOW - 5 * MINUTE
    rows = [row for n in range(MANY) for row in scan(at, f"198.18.{n // 250}.{n % 250}", count=50, evidence="one_way")]
    send(store, members[0], rows + scan(at, "198.19.255.9", evidence="established"), NOW)
    run(store, NOW, NATIONAL)
    assert Finding.objects.filter(rule="port-scan").count() == MOST_OF_A_MEMBER + 1
    assert Finding.objects.get(rule="port-scan", source="198.19.255.9").spoofable is False


def test_an_old_row_waits_its_turn_and_does_not_widen_the_run(store: EventStore, members: list[Member]) -> None:
    run(store, NOW - MINUTE, NATIONAL)
    send(store, members[1], guessing(NOW - 20 * MINUTE), NOW)
    old = datetime(2000, 1, 2, tzinfo=UTC)
    send(store, members[0], guessing(old), NOW)
    spans: list[tuple[str, Span]] = []
    run(Watched(store, spans), NOW, NATIONAL)  # type: ignore[arg-type]
    assert Finding.objects.filter(rule="ssh-guessing").count() == 2
    for name, span in spans:
        length = timedelta(days=2) * 2 + (timedelta(0) if span.start.year == 2000 else RECENT)
        assert span.length < length, name
    assert {t.who for t in DetectionTask.objects.filter(state=State.DONE)} == {0, members[0].pk}
    assert not [s for _, s in _looked(store, NOW + MINUTE) if s.start.year == 2000]
    # Once more when nothing can be stored any more that the first look did not see, and then never.
    assert [s for _, s in _looked(store, NOW + GRACE) if s.start.year == 2000]
    assert not [s for _, s in _looked(store, NOW + GRACE + MINUTE) if s.start.year == 2000]


def _looked(store: EventStore, now: datetime) -> list[tuple[str, Span]]:
    spans: list[tuple[str, Span]] = []
    run(Watched(store, spans), now, NATIONAL, kinds=(Kind.WINDOW,))  # type: ignore[arg-type]
    return spans


class Watched:
    """A real store that notes over which spans rules were asked, and fails where it is told to."""

    def __init__(self, store: EventStore, spans: list[tuple[str, Span]], fails: tuple[str, int] | None = None) -> None:
        self._store, self._spans, self._fails = store, spans, fails

    def query(self, name: str, scope: Scope, **parameters: Parameter) -> list[Row]:
        return self._store.query(name, scope, **parameters)

    def run(self, query: queries.Query, scope: Scope, **parameters: Parameter) -> list[Row]:
        start, end, only = parameters["start"], parameters["end"], parameters.get("only", [])
        assert isinstance(start, datetime)
        assert isinstance(end, datetime)
        assert isinstance(only, list)
        self._spans.append((query.name, Span(start, end)))
        if self._fails and query.name == self._fails[0] and self._fails[1] in only:
            raise EventStoreError("Too much for one query.")
        return self._store.run(query, scope, **parameters)


def test_a_rule_that_fails_on_one_member_s_events_runs_on_the_others(store: EventStore, members: list[Member]) -> None:
    for member in members:
        send(store, member, guessing(NOW - 20 * MINUTE) + malware(NOW - 20 * MINUTE, ["Real"]), NOW)
    failing = Watched(store, [], ("detection_ssh-guessing", members[2].pk))
    run(failing, NOW, NATIONAL)  # type: ignore[arg-type]
    others = {members[0].pk, members[1].pk, members[3].pk}
    assert set(Finding.objects.filter(rule="ssh-guessing").values_list("member", flat=True)) == others
    assert Finding.objects.filter(rule="malware").count() == 4
    task = DetectionTask.objects.get()
    assert (task.who, task.rule, task.state, task.error) == (
        members[2].pk,
        "ssh-guessing",
        State.FAILING,
        "event-store",
    )
    # It rests until it is due, and what is new for it meanwhile is not forgotten.
    send(store, members[2], guessing(NOW - 30 * MINUTE, src_ip="198.18.0.77"), NOW + MINUTE, 2)
    run(store, NOW + MINUTE, NATIONAL)
    assert not Finding.objects.filter(rule="ssh-guessing", member=members[2]).exists()
    run(store, NOW + 3 * MINUTE, NATIONAL)
    assert Finding.objects.filter(rule="ssh-guessing", member=members[2]).count() == 2
    assert backlog.standing() == Standing(0, 0, 0, None)


def test_what_fails_too_often_is_given_up_and_stays_to_be_seen(store: EventStore, members: list[Member]) -> None:
    send(store, members[0], guessing(NOW - 20 * MINUTE), NOW)
    failing = Watched(store, [], ("detection_ssh-guessing", members[0].pk))
    now = NOW
    waits = []
    for _ in range(MOST_ATTEMPTS):
        assert backlog.standing().given_up == 0
        run(failing, now, NATIONAL)  # type: ignore[arg-type]
        task = DetectionTask.objects.get()
        waits.append(task.next_try - now)
        now = task.next_try
    assert waits == sorted(waits)
    assert len(set(waits)) == MOST_ATTEMPTS
    assert backlog.standing() == Standing(0, 0, 1, None)
    # Nothing of the kind is tried for a day; then new events are.
    send(store, members[0], guessing(now - 20 * MINUTE), now, 2)
    spans: list[tuple[str, Span]] = []
    run(Watched(store, spans), now, NATIONAL)  # type: ignore[arg-type]
    assert spans
    later = now + timedelta(days=2)
    send(store, members[0], guessing(later - 20 * MINUTE, src_ip="198.18.0.78"), later, 3)
    run(store, later, NATIONAL)
    assert Finding.objects.filter(rule="ssh-guessing", source="198.18.0.78").exists()
    assert backlog.standing().given_up == 1


def test_every_member_has_a_turn_before_any_has_a_second(members: list[Member]) -> None:
    for month in range(1, 13):
        start = datetime(2010, month, 3, tzinfo=UTC)
        backlog.note(7, Span(start, start + MINUTE), NOW, NOW)
    for who in (8, 9):
        backlog.note(who, Span(NOW - timedelta(days=40), NOW - timedelta(days=39)), NOW, NOW + MINUTE)
    assert [t.who for t in backlog.due(NOW + MINUTE, 4)] == [7, 8, 9, 7]
    assert backlog.standing().waiting == 14


def test_what_waits_for_an_erased_member_is_forgotten(store: EventStore, members: list[Member]) -> None:
    backlog.note(10**6, Span(NOW - timedelta(days=40), NOW - timedelta(days=39)), NOW, NOW)
    run(store, NOW, NATIONAL)
    assert not DetectionTask.objects.exists()
