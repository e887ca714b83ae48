"""A device's usual pauses are learnt by time of day, in London's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.alarms import habits
from tests.alarms.alarm_stage import DAY, HOUR, MINUTE

MOMENTS = st.integers(0, 365 * 86_400).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def nights(weeks: int = 1) -> tuple[list[int], datetime]:
    """Of a device that sleeps from 19:00 to 06:30 on working days, and all weekend."""
    pauses: list[int] = []
    learnt = None
    for day in range(7 * weeks):
        at = MONDAY + timedelta(days=day, hours=19)
        if at.weekday() < 5:
            until = (
                at + timedelta(hours=11, minutes=30)
                if at.weekday() < 4
                else at + timedelta(days=2, hours=11, minutes=30)
            )
            pauses, learnt = habits.learn(pauses, learnt, at, until), until
    assert learnt is not None
    return pauses, learnt


def test_nights_are_usual_and_days_are_not() -> None:
    pauses, learnt = nights()
    friday = MONDAY + 7 * DAY
    assert habits.usual(pauses, learnt, friday + 3 * HOUR) >= 7 * HOUR
    assert habits.usual(pauses, learnt, friday + 11 * HOUR) == timedelta(0)
    saturday = MONDAY + 5 * DAY
    assert habits.usual(pauses, learnt, saturday + 11 * HOUR) > 15 * HOUR
    assert habits.longest(pauses, learnt, friday) > 50 * HOUR


def test_the_hour_that_the_clocks_are_changed_by_raises_nothing() -> None:
    """What was learnt until 06:30 in summer is 06:30 in winter too: the member's day, not the sun's."""
    summer = datetime(2026, 10, 23, 18, tzinfo=UTC)  # 19:00 in London, the last Friday before the change
    pauses = habits.learn([], None, summer - DAY, summer - DAY + timedelta(hours=11, minutes=30))
    winter = datetime(2026, 10, 27, 6, 20, tzinfo=UTC)  # 06:20 in London
    assert habits.usual(pauses, summer, winter) >= 10 * HOUR  # somewhat faded
    # And an hour before and after what was learnt count as well.
    assert habits.usual(pauses, summer, winter + HOUR) >= 10 * HOUR
    assert habits.usual(pauses, summer, winter + 3 * HOUR) == timedelta(0)


def test_what_is_learnt_fades() -> None:
    pauses = habits.learn([], None, MONDAY, MONDAY + 100 * MINUTE)
    after = habits.usual(pauses, MONDAY, MONDAY + 35 * DAY)
    assert after == timedelta(minutes=100 * (7 / 8) ** 5)


@given(MOMENTS, st.integers(-1000, 60 * 24 * 60), st.lists(st.integers(0, 50_000), max_size=72), MOMENTS | st.none())
def test_learning_is_total_and_bounded(
    began: datetime, minutes: int, pauses: list[int], learnt: datetime | None
) -> None:
    ended = began + timedelta(minutes=minutes)
    known = habits.learn(pauses, learnt, began, ended)
    assert len(known) == habits.SLOTS
    assert all(0 <= value <= max([*pauses, 43_200]) for value in known)
    if minutes > 0:
        just_before = ended - timedelta(seconds=1)
        if minutes < 40_000:
            assert habits.usual(known, ended, just_before) >= timedelta(minutes=minutes)
    assert 0 <= habits.slot(began) < habits.SLOTS
