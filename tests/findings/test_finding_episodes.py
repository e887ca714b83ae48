"""Windows become the same episodes however they arrive."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.findings.episodes import LONGEST_MS, QUIET_MS, Episode, join

HOUR = 3_600_000
WINDOWS = st.lists(st.builds(lambda at: (at * HOUR, (at + 2) * HOUR), st.integers(0, 24 * 20)), min_size=1, max_size=30)


def spans(episodes: list[Episode]) -> list[tuple[int, int]]:
    return [(e.start, e.end) for e in episodes]


@given(WINDOWS)
def test_every_window_lies_in_one_episode_and_none_share_a_day(fired: list[tuple[int, int]]) -> None:
    episodes = join((), fired)
    for start, end in fired:
        assert sum(e.start <= start and end <= e.end for e in episodes) >= 1
    for one, two in itertools.pairwise(episodes):
        assert two.start - one.start >= QUIET_MS
        assert one.start // QUIET_MS != two.start // QUIET_MS
    for episode in episodes:
        assert episode.end - episode.start < LONGEST_MS + 2 * HOUR


@given(WINDOWS, st.integers(1, 6))
def test_in_order_of_time_many_runs_make_what_one_run_makes(fired: list[tuple[int, int]], runs: int) -> None:
    in_order = sorted(fired)
    size = max(1, len(in_order) // runs)
    episodes: list[Episode] = []
    for at in range(0, len(in_order), size):
        episodes = join(episodes, in_order[at : at + size])
    assert spans(episodes) == spans(join((), fired))


@given(WINDOWS)
def test_joining_again_changes_nothing(fired: list[tuple[int, int]]) -> None:
    once = join((), fired)
    assert join(once, fired) == once


def test_late_windows_bridge_episodes_and_the_earliest_finding_goes_on() -> None:
    first, second = Episode(0, HOUR, (7,)), Episode(40 * HOUR, 41 * HOUR, (9,))
    assert join([first, second], [(20 * HOUR, 22 * HOUR)]) == [Episode(0, 41 * HOUR, (7, 9))]
