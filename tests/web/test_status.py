"""A member always reads what exactly is missing, never "no data yet"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.enrolment.problems import PROBLEMS
from cyberalarm.central.ingest.refusals import CLAIM_AFTER, Refusal
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.central.portal.status import (
    GOOD,
    MISSING,
    QUIET_AFTER,
    TROUBLES,
    WORDS,
    Signs,
    Standing,
    State,
    headline,
    standing_refusal,
    state_of,
    words_of,
)
from cyberalarm.core.outcome import OUTCOMES, Ledger

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATER, EARLIER = NOW + timedelta(days=1), NOW - SECOND
LONG_AGO = NOW - QUIET_AFTER - SECOND
AGES = st.none() | st.integers(0, 30 * 86400).map(lambda seconds: NOW - timedelta(seconds=seconds))


def refused(at: datetime, *, proven: bool = True, code: str = "header-mismatch") -> Refusal:
    return Refusal(code, at, at - timedelta(minutes=5), proven)


def day(**counts: int) -> Ledger:
    """What became of a day's lines."""
    ledger = Ledger()
    ledger.add([counts.get(str(outcome), 0) for outcome in OUTCOMES])
    return ledger


def enrolled(**signs: object) -> Signs:
    return Signs("enrolled", **{"enrolled": LONG_AGO, "seen": NOW, **signs})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (Signs("provisioned", token_expires=LATER), State.WAITING),
        (Signs("provisioned", token_expires=EARLIER), State.EXPIRED),
        (Signs("provisioned", token_expires=None, token=False), State.WITHDRAWN),
        # Enrolling is being seen: only what comes after it shows that it runs.
        (Signs("enrolled", enrolled=NOW, seen=NOW), State.NEVER_ASKED),
        (Signs("enrolled", enrolled=LONG_AGO, seen=LONG_AGO), State.NEVER_ASKED),
        (Signs("enrolled", enrolled=EARLIER, seen=NOW), State.ENROLLED),
        (Signs("enrolled", enrolled=NOW, seen=NOW, asked=NOW), State.ENROLLED),
        (enrolled(lines=NOW, receipted=NOW, day=day(kept=1, unrecognised=9)), State.RECEIVING),
        (enrolled(lines=NOW, receipted=NOW, day=day(routine=1, unrecognised=9)), State.CALM),
        (enrolled(lines=NOW, receipted=NOW, day=day(trusted=1)), State.CALM),
        (enrolled(lines=NOW, receipted=NOW, day=day(unrecognised=9, malformed=1, overflow=1)), State.UNREAD),
        (enrolled(lines=NOW, receipted=NOW, day=day(noise=5, unrecognised=9)), State.ONLY_NOISE),
        (enrolled(lines=NOW, receipted=NOW, day=day(noise=5, internal=1, outbound=2)), State.ONLY_INSIDE),
        (enrolled(lines=NOW, receipted=NOW, day=day(kept=1), behind=True), State.BEHIND),
        (enrolled(lines=NOW, receipted=NOW, day=day(kept=1), behind=True, too_old=True), State.TOO_OLD),
        (enrolled(lines=NOW, receipted=NOW), State.RECEIVING),
        (enrolled(lines=NOW - QUIET_AFTER, receipted=NOW), State.RECEIVING),
        # It asks for its status, and sends nothing: that proves nothing.
        (enrolled(), State.NO_LINES),
        (enrolled(lines=LONG_AGO, receipted=LONG_AGO), State.NO_LINES),
        (enrolled(lines=LONG_AGO, receipted=NOW), State.NO_LINES),
        (enrolled(lines=LONG_AGO, receipted=LONG_AGO, seen=LONG_AGO), State.QUIET),
        (enrolled(seen=None), State.NEVER_ASKED),
        (enrolled(seen=LONG_AGO + SECOND / 2), State.QUIET),
        (enrolled(lines=EARLIER, receipted=EARLIER, refusal=refused(NOW)), State.REFUSED),
        (enrolled(lines=NOW, receipted=NOW, refusal=refused(EARLIER)), State.RECEIVING),
        (enrolled(refusal=refused(NOW)), State.REFUSED),
        (enrolled(refusal=refused(NOW, proven=False)), State.REFUSED),
        (Signs("enrolled", enrolled=NOW, seen=NOW, refusal=refused(NOW)), State.REFUSED),
        # A stranger who uses its name does not turn the page of a collector that sends.
        (enrolled(lines=EARLIER, receipted=EARLIER, refusal=refused(NOW, proven=False)), State.RECEIVING),
        (
            enrolled(
                lines=NOW - CLAIM_AFTER - SECOND,
                receipted=NOW - CLAIM_AFTER - SECOND,
                refusal=refused(NOW, proven=False),
            ),
            State.REFUSED,
        ),
        # It was refused, and then switched off: what matters now is that it is silent.
        (enrolled(seen=LONG_AGO, receipted=LONG_AGO, refusal=refused(LONG_AGO)), State.QUIET),
        (Signs("stopped", lines=NOW, receipted=NOW, refusal=refused(NOW)), State.STOPPED),
        (Signs("revoked", lines=NOW, receipted=NOW), State.REVOKED),
    ],
)
def test_states(signs: Signs, expected: State) -> None:
    assert state_of(signs, NOW) is expected


SIGNS = st.builds(
    Signs,
    status=st.sampled_from(Collector.Status.values),
    token_expires=AGES,
    enrolled=AGES,
    seen=AGES,
    receipted=AGES,
    lines=AGES,
    refusal=st.none() | st.builds(Refusal, st.just("chain-gap"), AGES.filter(bool), AGES.filter(bool), st.booleans()),
    token=st.booleans(),
    asked=AGES,
    day=st.none()
    | st.builds(lambda counts: day(**counts), st.dictionaries(st.sampled_from(OUTCOMES), st.integers(0, 9))),
    too_old=st.booleans(),
    behind=st.booleans(),
)


@given(SIGNS)
def test_receiving_means_that_lines_were_receipted_within_a_day(signs: Signs) -> None:
    if state_of(signs, NOW) in GOOD:
        assert signs.status == Collector.Status.ENROLLED
        assert signs.lines is not None
        assert NOW - signs.lines <= QUIET_AFTER
        if signs.refusal and signs.refusal.proven and NOW - signs.refusal.at <= QUIET_AFTER:
            assert signs.receipted is not None
            assert signs.receipted >= signs.refusal.at


@given(SIGNS)
def test_being_seen_alone_is_never_good_news(signs: Signs) -> None:
    seen = Signs(signs.status, signs.token_expires, signs.enrolled, NOW, None, None, signs.refusal)
    assert state_of(seen, NOW) not in GOOD


def test_a_refusal_is_told_with_code_time_and_what_to_do() -> None:
    words = words_of(State.REFUSED, refused(NOW, code="chain-forked")).text
    assert "chain-forked" in words
    assert "20 November 2026 at 11:55" in words
    assert "--set-aside" in words
    assert "prove" not in words
    assert "could not prove" in words_of(State.REFUSED, refused(NOW, proven=False)).text


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_code_has_a_next_step(code: str) -> None:
    words = words_of(State.REFUSED, refused(NOW, code=code)).text
    before, _, after = words.partition(" Nothing is lost: the collector keeps what it could not send. ")
    assert code in before
    assert len(after) > 20


def standing(state: State) -> Standing:
    return Standing(state, WORDS[state])


@pytest.mark.parametrize(
    ("status", "sites", "states", "title", "mood"),
    [
        ("pending", 0, [], "Waiting for approval", "waiting"),
        ("declined", 0, [], "Not approved", "bad"),
        ("left", 1, [State.RECEIVING], "Membership ended", "bad"),
        ("approved", 0, [], "You are a member; no collector is provisioned", "waiting"),
        ("approved", 1, [State.REVOKED], "Your collector was revoked", "bad"),
        ("approved", 1, [State.REVOKED, State.REVOKED], "All your collectors were revoked", "bad"),
        ("approved", 1, [State.STOPPED], "Your collector: stopped by the centre", "bad"),
        ("approved", 1, [State.WAITING], "Your collector: waiting to be installed", "waiting"),
        ("approved", 1, [State.ENROLLED], "Your collector: it runs, but no device sends to it", "waiting"),
        ("approved", 1, [State.NEVER_ASKED], "Your collector: enrolled, but it does not run", "waiting"),
        ("approved", 1, [State.UNREAD], "Your collector: lines arrive, but none is recognised", "bad"),
        ("approved", 1, [State.CALM], "Everything is working", "good"),
        ("approved", 1, [State.REFUSED], "Your collector: reaches us, but its bundles are refused", "bad"),
        ("approved", 1, [State.NO_LINES], "Your collector: reaches us, but no log lines arrive", "bad"),
        ("approved", 1, [State.RECEIVING], "Everything is working", "good"),
        ("approved", 1, [State.RECEIVING, State.REVOKED], "Everything is working", "good"),
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
    found = headline(status, sites, [standing(state) for state in states])
    assert (found.title, found.mood) == (title, mood)
    assert found.text


@pytest.mark.parametrize(("alarms", "title"), [([1], "One thing needs a look"), ([1, 2], "3 things need a look")])
def test_not_everything_is_working_while_an_alarm_stands(alarms: list[int], title: str) -> None:
    words = standing(State.RECEIVING).words
    collectors = [Standing(State.RECEIVING, words, alarms=count) for count in alarms]
    found = headline("approved", 1, collectors)
    assert (found.title, found.mood) == (title, "waiting")
    worse = headline("approved", 1, [*collectors, standing(State.REFUSED)])
    assert worse.mood == "bad"


def test_nothing_suspicious_is_said_where_that_is_so() -> None:
    calm = standing(State.CALM)
    assert "nothing suspicious" in headline("approved", 1, [calm]).text
    assert "nothing suspicious" not in headline("approved", 1, [calm, standing(State.RECEIVING)]).text


@given(
    st.sampled_from(Member.Status.values),
    st.integers(0, 3),
    st.lists(st.sampled_from(State), max_size=5),
)
def test_good_news_only_when_all_active_collectors_send(status: str, sites: int, states: list[State]) -> None:
    found = headline(status, sites, [standing(state) for state in states])
    active = [state for state in states if state is not State.REVOKED]
    good = status == "approved" and bool(active) and set(active) <= set(GOOD)
    assert (found.mood == "good") == good
    assert "no data" not in (found.title + found.text).lower()


def test_every_state_has_words_and_every_status_a_state() -> None:
    assert set(WORDS) == set(State)
    assert sorted([*TROUBLES, *MISSING, *GOOD, State.REVOKED]) == sorted(State)
    for status in Collector.Status.values:
        assert state_of(Signs(status), NOW) in State
    assert standing_refusal(Signs("enrolled"), NOW) is None
