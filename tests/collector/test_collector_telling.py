"""What a collector tells the centre of how it copes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.collector.telling import MOST_MOMENTS, Telling, Waiting

if TYPE_CHECKING:
    from pathlib import Path


def test_the_oldest_bundle_ages_while_it_waits() -> None:
    waiting = Waiting()
    assert waiting.oldest(0, 5, 5) == 0
    assert waiting.oldest(60, 6, 5) == 0
    assert waiting.oldest(120, 7, 5) == 60
    assert waiting.oldest(180, 8, 6) == 60
    assert waiting.oldest(240, 8, 8) == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_an_age_is_never_told_as_higher_than_it_is(steps: list[tuple[int, int]]) -> None:
    """Against a list of when each bundle was made, asked each minute."""
    waiting, made, done = Waiting(), {}, 0
    for minute, (new, sent) in enumerate(steps):
        head = len(made) + new
        made |= dict.fromkeys(range(len(made) + 1, head + 1), minute * 60)
        done = min(done + sent, head)
        told = waiting.oldest(minute * 60, head, done)
        truth = minute * 60 - made[done + 1] if head > done else 0
        assert told == truth


def test_memory_is_bounded_while_the_centre_is_away() -> None:
    waiting = Waiting()
    told = [waiting.oldest(at * 60, at, 0) for at in range(3 * MOST_MOMENTS)]
    assert len(waiting._reached) <= MOST_MOMENTS
    assert told == sorted(told)
    assert told[-1] >= (3 * MOST_MOMENTS - 2) * 60


def test_the_five_numbers(tmp_path: Path) -> None:
    telling = Telling(tmp_path, 1_000)
    load = telling.load(0, 7, 4, 805, 3)
    assert (load.waiting, load.oldest, load.spool, load.turned_away) == (3, 0, 80, 3)
    assert load.disk > 0
    assert telling.load(60, 7, 4, 805, 5).turned_away == 5, "nobody has answered"
    telling.told()
    assert telling.load(120, 7, 4, 805, 6).turned_away == 1
    assert Telling(tmp_path / "gone", 0).load(0, 0, 0, 0, 0).disk == 0
