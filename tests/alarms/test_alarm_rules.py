"""When an alarm stands, at its edges: no second sooner, and never because of what the centre could not know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.alarms import habits, rules
from cyberalarm.central.alarms.rules import CALM, CANNOT_TELL, Collecting, Raised, Sending
from cyberalarm.core.outcome import Ledger
from tests.alarms.alarm_stage import DAY, HOUR, LONG_UP, MINUTE, NOW, SECOND

QUARTER = 15 * MINUTE
WELL = Collecting(
    enrolled=NOW - 60 * DAY, seen=NOW, asked=NOW, version="0.1.0", clock_offset=0, clock_at=NOW, load_at=NOW, disk_free=9_000,
    sealed=NOW, received=NOW,
)  # fmt: skip


def quiet(**change: object) -> Sending:
    return replace(Sending(NOW - 60 * DAY, NOW - QUARTER), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ago", "up", "expected"),
    [
        (QUARTER - SECOND, LONG_UP, CALM),
        (QUARTER, LONG_UP, Raised(NOW - QUARTER)),
        (-HOUR, LONG_UP, CALM),  # our clock was set back
        (3 * HOUR, NOW - QUARTER + SECOND, CANNOT_TELL),  # the centre itself was away
        (3 * HOUR, NOW - QUARTER, Raised(NOW - 3 * HOUR)),
    ],
)
def test_a_collector_is_silent_after_15_minutes(ago: timedelta, up: datetime, expected: object) -> None:
    assert rules.collector_silent(replace(WELL, seen=NOW - ago), NOW, up) == expected


def test_a_collector_that_never_spoke_is_no_silent_one() -> None:
    enrolled = NOW - DAY
    assert rules.collector_silent(replace(WELL, enrolled=enrolled, seen=enrolled), NOW, LONG_UP) is CALM
    assert rules.collector_silent(replace(WELL, seen=None), NOW, LONG_UP) is CALM


@pytest.mark.parametrize(
    ("ago", "expected"), [(QUARTER - SECOND, False), (QUARTER, True), (-HOUR, False), (30 * DAY, False)]
)
def test_a_device_is_silent_after_15_minutes_and_gone_after_30_days(ago: timedelta, expected: bool) -> None:
    verdict = rules.device_silent(quiet(lines=NOW - ago), NOW)
    assert isinstance(verdict, Raised) is expected
    if isinstance(verdict, Raised):
        assert verdict == Raised(NOW - ago, 900, 0, mail=True)


def sleeping() -> tuple[int, ...]:
    """Pauses of a device that sleeps from 19:00 to 06:30."""
    at = datetime(2026, 11, 16, 19, tzinfo=UTC)
    return tuple(habits.learn([], None, at, at + timedelta(hours=11, minutes=30)))


@pytest.mark.parametrize(
    ("now", "lines", "silent"),
    [
        # Its usual night: from the evening before, at three, at half past six, and somewhat later than usual.
        (datetime(2026, 11, 18, 3, tzinfo=UTC), datetime(2026, 11, 17, 19, tzinfo=UTC), False),
        (datetime(2026, 11, 18, 6, 29, tzinfo=UTC), datetime(2026, 11, 17, 19, tzinfo=UTC), False),
        (datetime(2026, 11, 18, 7, 30, tzinfo=UTC), datetime(2026, 11, 17, 19, tzinfo=UTC), False),
        # It did not wake: told in the morning, not the day after.
        (datetime(2026, 11, 18, 8, 0, tzinfo=UTC), datetime(2026, 11, 17, 19, tzinfo=UTC), True),
        # It fell silent by day: after 15 minutes.
        (datetime(2026, 11, 18, 11, 14, 59, tzinfo=UTC), datetime(2026, 11, 18, 11, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 18, 11, 15, tzinfo=UTC), datetime(2026, 11, 18, 11, 0, tzinfo=UTC), True),
    ],
)
def test_a_device_may_sleep_as_usual(now: datetime, lines: datetime, silent: bool) -> None:
    verdict = rules.device_silent(quiet(lines=lines, pauses=sleeping(), pauses_at=lines), now)
    assert isinstance(verdict, Raised) is silent


def test_a_device_of_one_line_a_day_is_missed_an_hour_after_its_time() -> None:
    at = datetime(2026, 11, 16, 2, tzinfo=UTC)
    pauses = tuple(habits.learn([], None, at, at + DAY))
    pauses = tuple(habits.learn(pauses, at + DAY, at + DAY, at + 2 * DAY))
    backup = quiet(lines=at + 2 * DAY, pauses=pauses, pauses_at=at + 2 * DAY)
    for minutes in range(0, 25 * 60, 7):  # its line may be late by an hour
        assert rules.device_silent(backup, at + 2 * DAY + minutes * MINUTE) is CALM, minutes
    assert isinstance(rules.device_silent(backup, at + 3 * DAY + HOUR), Raised)


def test_a_new_device_is_told_of_and_nobody_is_written_to() -> None:
    first = NOW - 7 * DAY + SECOND
    new = rules.device_silent(quiet(first=first), NOW)
    assert new == Raised(NOW - QUARTER, 900, 1, mail=False)
    assert rules.device_silent(quiet(first=first - SECOND), NOW) == Raised(NOW - QUARTER, 900, 0)
    # It paused for six minutes at most by day, and may pause for three times that; for a night that it had, too.
    paused = habits.learn([], None, NOW - 6 * HOUR, NOW - 6 * HOUR + 20 * MINUTE)
    assert rules.device_silent(quiet(first=first, pauses=paused, pauses_at=NOW, lines=NOW - 59 * MINUTE), NOW) is CALM
    assert isinstance(
        rules.device_silent(quiet(first=first, pauses=paused, pauses_at=NOW, lines=NOW - HOUR), NOW), Raised
    )


def test_a_stray_line_makes_no_device_and_rest_ends_with_a_line() -> None:
    lines = NOW - QUARTER
    assert rules.device_silent(quiet(first=lines - HOUR + SECOND), NOW) is CALM
    assert rules.device_silent(quiet(rests_since=lines), NOW) is CALM
    assert isinstance(rules.device_silent(quiet(rests_since=lines - SECOND), NOW), Raised)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"seen": NOW - QUARTER}, False),
        ({"refused_code": "chain-gap"}, False),
        ({"oldest_waiting": 900}, False),
        ({"sealed": NOW - QUARTER}, False),
        ({"steady_since": NOW - QUARTER + SECOND}, False),
        ({"steady_since": NOW - QUARTER}, True),
    ],
)
def test_a_devices_silence_is_judged_only_where_its_lines_would_have_come(
    change: dict[str, object], expected: bool
) -> None:
    assert rules.can_judge_devices(replace(WELL, **change), NOW, LONG_UP) is expected  # type: ignore[arg-type]
    assert not rules.can_judge_devices(WELL, NOW, NOW - QUARTER + SECOND)


@pytest.mark.parametrize(
    ("rule", "change", "expected"),
    [
        (rules.clock, {"clock_offset": 300}, CALM),
        (rules.clock, {"clock_offset": 301}, Raised(NOW, 301)),
        (rules.clock, {"clock_offset": -301}, Raised(NOW, -301)),
        (rules.clock, {"clock_offset": 301, "clock_at": NOW - HOUR - SECOND}, CANNOT_TELL),
        (rules.clock, {"clock_offset": None}, CANNOT_TELL),
        (rules.behind, {"oldest_waiting": 899, "waiting": 9}, CALM),
        (rules.behind, {"oldest_waiting": 900, "waiting": 9}, Raised(NOW - QUARTER, 900, 9)),
        (rules.behind, {"oldest_waiting": 900, "load_at": NOW - QUARTER}, CALM),  # it said so long ago
        (rules.behind, {"sealed": NOW - QUARTER + SECOND}, CALM),
        (rules.behind, {"sealed": NOW - QUARTER}, Raised(NOW - QUARTER, 900)),
        (rules.behind, {"seen": NOW - HOUR, "load_at": None, "received": None}, CANNOT_TELL),
        (rules.spool, {"spool_percent": 80}, Raised(NOW, 80)),
        (rules.spool, {"spool_percent": 79}, CANNOT_TELL),
        (rules.spool, {"spool_percent": 69}, CALM),
        (rules.spool, {"spool_percent": 99, "load_at": None}, CANNOT_TELL),
        (rules.disk, {"disk_free": 511}, Raised(NOW, 511)),
        (rules.disk, {"disk_free": 512}, CANNOT_TELL),
        (rules.disk, {"disk_free": 768}, CALM),
        (rules.dropped, {"dropped": 99}, CALM),
        (rules.dropped, {"dropped": 100, "arrived": 99_900}, Raised(NOW, 100, 100_000)),
        (rules.dropped, {"dropped": 100, "arrived": 99_901}, CALM),
        (rules.turned_away, {"turned_away": 3, "turned_away_at": NOW - HOUR}, Raised(NOW - HOUR, 3)),
        (rules.turned_away, {"turned_away": 3, "turned_away_at": NOW - HOUR - SECOND}, CALM),
    ],
)
def test_the_edges_of_each_rule(rule: object, change: dict[str, object], expected: object) -> None:
    assert rule(replace(WELL, **change), NOW) == expected  # type: ignore[operator, arg-type]


def test_an_old_program_and_a_refusal() -> None:
    assert rules.too_old(replace(WELL, version="0.0.9"), "0.1.0", NOW) == Raised(NOW, code="0.0.9")
    assert rules.too_old(replace(WELL, version=""), "0.1.0", NOW) is CALM
    since = NOW - HOUR
    assert rules.refused(replace(WELL, refused_code="busy", refused_since=since)) == Raised(since, code="busy")
    assert rules.refused(WELL) is CALM


def test_a_devices_clock_is_wrong_once_it_was_for_15_minutes() -> None:
    assert rules.device_clock(3600, NOW - QUARTER, NOW) == Raised(NOW - QUARTER, 3600)
    assert rules.device_clock(3600, NOW - QUARTER + SECOND, NOW) is CALM
    assert rules.device_clock(None, None, NOW) is CALM


def test_a_device_is_not_understood_once_enough_of_its_lines_say_so() -> None:
    def unread(lines: int, of: int) -> Ledger:
        ledger = Ledger()
        ledger.add([0, 0, 0, 0, 0, of - lines, lines, 0, 0])
        return ledger

    assert not rules.not_understood(unread(199, 199))
    assert rules.not_understood(unread(101, 200))
    assert not rules.not_understood(unread(100, 200))


MOMENTS = st.none() | st.integers(-86_400, 90 * 86_400).map(lambda seconds: NOW - timedelta(seconds=seconds))
ONES = st.builds(
    Collecting, enrolled=MOMENTS, seen=MOMENTS, asked=MOMENTS, clock_offset=st.none() | st.integers(-(2**40), 2**40),
    clock_at=MOMENTS, load_at=MOMENTS, waiting=st.integers(0, 10**9), oldest_waiting=st.integers(0, 10**9 - 1),
    spool_percent=st.integers(0, 10**9), disk_free=st.none() | st.integers(0, 10**9), sealed=MOMENTS, received=MOMENTS,
    steady_since=MOMENTS, dropped=st.integers(0, 2**62), arrived=st.integers(0, 2**62),
)  # fmt: skip


@given(ONES)
def test_every_rule_answers_whatever_is_known(one: Collecting) -> None:
    for rule in (rules.clock, rules.behind, rules.spool, rules.disk, rules.dropped, rules.turned_away):
        assert isinstance(rule(one, NOW), Raised | rules.Untold)
    verdict = rules.collector_silent(one, NOW, LONG_UP)
    assert isinstance(verdict, Raised) == (
        one.seen is not None and NOW - one.seen >= QUARTER and (one.enrolled is None or one.seen > one.enrolled)
    )
