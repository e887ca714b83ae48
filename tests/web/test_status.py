"""A member always reads what exactly is missing, never "no data yet"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.members.models import Collector, Member
from cyberalarm.central.portal.status import QUIET_AFTER, WORDS, State, headline, state_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("status", "expires", "received", "seen", "expected"),
    [
        ("provisioned", LATER, 0, None, State.WAITING),
        ("provisioned", EARLIER, 0, None, State.EXPIRED),
        ("enrolled", None, 0, NOW, State.ENROLLED),
        ("enrolled", None, 5, NOW, State.RECEIVING),
        ("enrolled", None, 5, NOW - QUIET_AFTER, State.RECEIVING),
        ("enrolled", None, 5, NOW - QUIET_AFTER - timedelta(seconds=1), State.QUIET),
        ("enrolled", None, 5, None, State.QUIET),
        ("stopped", None, 5, NOW, State.STOPPED),
        ("revoked", None, 5, NOW, State.REVOKED),
    ],
)
def test_states(status: str, expires: datetime | None, received: int, seen: datetime | None, expected: State) -> None:
    assert state_of(status, expires, received, seen, NOW) is expected


@pytest.mark.parametrize(
    ("status", "sites", "states", "title", "mood"),
    [
        ("pending", 0, [], "Waiting for approval", "waiting"),
        ("declined", 0, [], "Not approved", "bad"),
        ("left", 1, [State.RECEIVING], "Membership ended", "bad"),
        ("approved", 0, [], "You are a member; no collector is provisioned", "waiting"),
        ("approved", 1, [State.REVOKED], "You are a member; no collector is provisioned", "waiting"),
        ("approved", 1, [State.WAITING], "Your collector: waiting to be installed", "waiting"),
        ("approved", 1, [State.ENROLLED], "Your collector: enrolled, nothing received yet", "waiting"),
        ("approved", 1, [State.RECEIVING], "Everything is working", "good"),
        (
            "approved",
            1,
            [State.RECEIVING, State.QUIET],
            "1 of 2 collectors: silent for more than a day",
            "bad",
        ),
    ],
)
def test_headlines(status: str, sites: int, states: list[State], title: str, mood: str) -> None:
    found = headline(status, sites, states)
    assert (found.title, found.mood) == (title, mood)
    assert found.text


@given(
    st.sampled_from(Member.Status.values),
    st.integers(0, 3),
    st.lists(st.sampled_from(State), max_size=5),
)
def test_good_news_only_when_all_active_collectors_send(status: str, sites: int, states: list[State]) -> None:
    found = headline(status, sites, states)
    active = [state for state in states if state is not State.REVOKED]
    good = status == "approved" and bool(active) and set(active) == {State.RECEIVING}
    assert (found.mood == "good") == good
    assert "no data" not in (found.title + found.text).lower()


def test_every_state_has_words_and_every_status_a_state() -> None:
    assert set(WORDS) == set(State)
    for status in Collector.Status.values:
        assert state_of(status, None, 0, None, NOW) in State
