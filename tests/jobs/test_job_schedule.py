"""When jobs are due: pure decisions over clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.jobs.schedule import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Every,
    Last,
    LastRun,
    due,
    next_slot,
    slot,
    wait_after,
)

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001
EVERY = st.sampled_from(Every)


@given(EVERY, TIMES)
def test_done_work_is_not_due_again_until_the_next_slot(every: Every, now: datetime) -> None:
    first = due(every, now, None)
    assert first is not None
    assert due(every, now, LastRun(first, Last.DONE, 1, None)) is None
    later = now + timedelta(days=32)
    assert due(every, later, LastRun(first, Last.DONE, 1, None)) == slot(every, later) != first


@given(EVERY, TIMES)
def test_a_running_job_is_never_started_twice(every: Every, now: datetime) -> None:
    assert due(every, now, LastRun("2019", Last.RUNNING, 1, None)) is None


@given(EVERY, TIMES, st.integers(1, 100))
def test_a_failed_job_waits_and_then_is_due(every: Every, now: datetime, attempts: int) -> None:
    again = now + wait_after(attempts)
    last = LastRun(slot(every, now), Last.FAILED, attempts, again)
    assert due(every, now, last) is None
    assert due(every, again, last) == slot(every, again)
    given_up = LastRun(slot(every, now), Last.GIVEN_UP, attempts, again)
    assert due(every, again, given_up) in (None, slot(every, again))
    assert due(every, now, given_up) is None


@given(EVERY, TIMES)
def test_the_next_slot_is_the_first_moment_of_another(every: Every, now: datetime) -> None:
    begins = next_slot(every, now)
    assert now < begins
    assert slot(every, begins) > slot(every, now)
    assert slot(every, begins - timedelta(seconds=1)) == slot(every, now)


@given(st.integers(0, 10**6))
def test_waits_grow_to_a_bound(attempts: int) -> None:
    assert FIRST_WAIT <= wait_after(attempts) <= wait_after(attempts + 1) <= LONGEST_WAIT


@given(EVERY, TIMES, st.integers(0, 10**6))
def test_slots_follow_each_other(every: Every, now: datetime, seconds: int) -> None:
    """A later moment is never in an earlier slot."""
    assert slot(every, now) <= slot(every, now + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        ("2026-11-16T04:59:59+00:00", "2026-W46"),
        ("2026-11-16T05:00:00+00:00", "2026-W47"),
        ("2026-06-15T03:59:59+00:00", "2026-W24"),  # summer time: five o'clock is four UTC
        ("2026-06-15T04:00:00+00:00", "2026-W25"),
        ("2027-01-03T12:00:00+00:00", "2026-W53"),
    ],
)
def test_weeks_begin_on_monday_at_five_in_london(moment: str, week: str) -> None:
    assert slot(Every.WEEK, datetime.fromisoformat(moment)) == week
