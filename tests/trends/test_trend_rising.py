"""The rising rule and what an edition for members withholds: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.trends.rising import HISTORY_DAYS, LEAST_DAYS, Basis, rise
from cyberalarm.central.trends.withholding import apart, parts, series

HISTORY = st.lists(st.integers(0, 1000), min_size=HISTORY_DAYS, max_size=60)


@dataclass(frozen=True, slots=True)
class Row:
    members: int
    total: int = 0


ROWS = st.lists(st.builds(Row, st.integers(1, 9), st.integers(0, 100)), max_size=12)
MINIMUM = st.integers(1, 6)


@given(HISTORY, st.integers(0, 10_000))
def test_more_sources_never_make_it_rise_less(before: list[int], sources: int) -> None:
    found = rise(sources, before)
    if found:
        assert found.basis is Basis.HISTORY
        assert rise(sources + 1, before)
        assert sources > found.usual
    else:
        assert not rise(max(0, sources - 1), before)


def test_the_published_rule_by_hand() -> None:
    """Median 10.5 and quartiles 10 and 11, so 12.5; mean 10.5 and deviation 0.509, so 11.52."""
    before = [10, 11] * 14
    assert rise(12, before) is None
    found = rise(13, before)
    assert found
    assert (found.basis, found.usual, found.days) == (Basis.HISTORY, 10.5, 28)


def test_the_mean_of_the_last_month_counts_beside_the_whole_history() -> None:
    """Quiet long ago, loud of late: above the old median, not above the recent mean."""
    assert rise(60, [1] * 200 + [10, 90] * 14) is None


@given(st.lists(st.integers(0, 100), max_size=LEAST_DAYS - 1), st.integers(0, 10_000))
def test_too_little_history_says_nothing(before: list[int], sources: int) -> None:
    assert rise(sources, before) is None


def test_with_little_history_a_plain_ratio_and_it_says_so() -> None:
    assert rise(29, [10, 10, 10]) is None
    found = rise(30, [10, 10, 10])
    assert found
    assert (found.basis, found.days) == (Basis.RATIO, 3)


@given(ROWS, MINIMUM)
def test_no_shown_row_rests_on_too_few(rows: list[Row], minimum: int) -> None:
    for withhold in (apart, parts, series):
        shown, held = withhold(rows, minimum)
        assert all(row.members >= minimum for row in shown)
        assert len(shown) + held == len(rows)


@given(ROWS, MINIMUM)
def test_what_is_left_out_of_a_sum_is_not_one_member_s(rows: list[Row], minimum: int) -> None:
    shown, held = parts(rows, minimum)
    left = sum(r.members for r in rows) - sum(r.members for r in shown)
    if held and shown:
        assert left >= minimum
        assert held >= 2
    if all(row.members >= minimum for row in rows):
        assert held == 0


@given(ROWS, MINIMUM)
def test_a_series_is_shown_whole_or_not(rows: list[Row], minimum: int) -> None:
    shown, _ = series(rows, minimum)
    assert shown in ((), tuple(rows))


def test_police_editions_withhold_nothing() -> None:
    rows = [Row(1), Row(2)]
    for withhold in (apart, parts, series):
        assert withhold(rows, 0) == (tuple(rows), 0)
