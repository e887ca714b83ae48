"""The sieve, case by case: who may leave the site and who stays, by the rules that members are given."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm._kernel import Sieve
from cyberalarm.collector import sieve as sieves
from cyberalarm.collector.config import CollectorConfig, Networks
from cyberalarm.core.ports import risky_ports
from tests.kernel.decoding import batch_of, told

OWN = "203.0.113.10"
INSIDE = "192.168.5.10"
STRANGER = "198.51.100.23"
OTHER_STRANGER = "198.18.7.7"
FRIEND = "198.51.100.200"
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Decided:
    outcome: str
    direction: str | None
    rule: str


def sieve(remember_hours: float = 24) -> Sieve:
    networks = Networks(own=["203.0.113.0/24", "2001:db8:1::/48"], trusted=[f"{FRIEND}/32", "2001:db8:2::/48"])
    return sieves.build(CollectorConfig(networks=networks, remember_hours=remember_hours))


def traffic(src: str, dst: str, port: int = 443, action: str = "accept", at: int = 1_795_000_000) -> str:
    return (
        f'<189>devname="fw" devid="FGT60F0000000001" date=2026-11-18 time=00:00:00 eventtime={at} logid="0000000013" '
        f'type="traffic" subtype="forward" vd="root" srcip={src} srcport=40000 dstip={dst} dstport={port} proto=6 '
        f'action="{action}" crlevel="low"'
    )


def alert(src: str, dst: str, at: int = 1_795_000_000) -> str:
    return (
        f'<185>devname="fw" devid="FGT60F0000000001" date=2026-11-18 time=00:00:00 eventtime={at} logid="0419016384" '
        f'type="utm" subtype="ips" vd="root" srcip={src} srcport=40000 dstip={dst} dstport=443 proto=6 '
        f'action="detected" attack="Made.Up" attackid=1 crlevel="low"'
    )


def decide(*lines: str, by: Sieve | None = None) -> list[Decided]:
    batch = batch_of("\n".join(lines).encode())
    rules = (by or sieve()).explain(batch)
    found = told(batch)
    assert batch.rows == len(rules) == len(found), "these lines are all meant to become events"
    return [Decided(f.outcome, f.event.get("direction"), rule) for f, rule in zip(found, rules, strict=True)]


CASES = [
    ("blocked on the way in", traffic(STRANGER, OWN, action="deny"), "kept", "inbound"),
    ("blocked on the way to an inside address", traffic(STRANGER, INSIDE, action="deny"), "kept", "inbound"),
    ("blocked on the way out", traffic(INSIDE, STRANGER, action="deny"), "outbound", "outbound"),
    ("blocked inside", traffic(INSIDE, "10.0.0.1", action="deny"), "internal", "internal"),
    ("from an own public address to an inside one", traffic(OWN, INSIDE), "internal", "internal"),
    ("let out", traffic(INSIDE, STRANGER), "outbound", "outbound"),
    ("let out from an own public address", traffic(OWN, STRANGER), "outbound", "outbound"),
    ("let in to a usual service", traffic(STRANGER, OWN), "routine", "inbound"),
    ("let in to remote desktop", traffic(STRANGER, OWN, 3389), "kept", "inbound"),
    ("let out to remote desktop", traffic(INSIDE, STRANGER, 3389), "outbound", "outbound"),
    (
        "blocked between two strangers: at the border",
        traffic(STRANGER, OTHER_STRANGER, action="deny"),
        "kept",
        "inbound",
    ),
    ("let in, without saying so", traffic(STRANGER, OWN, action="ip-conn"), "kept", "inbound"),
    ("from a trusted source, blocked", traffic(FRIEND, OWN, action="deny"), "trusted", "inbound"),
    ("from a trusted source, to remote desktop", traffic(FRIEND, OWN, 3389), "trusted", "inbound"),
    ("from a trusted IPv6 source", traffic("2001:db8:2::9", "2001:db8:1::1", action="deny"), "trusted", "inbound"),
    ("IPv6 from a stranger", traffic("2001:db8:3::9", "2001:db8:1::1", action="deny"), "kept", "inbound"),
    ("to a multicast address from inside", traffic(INSIDE, "224.0.0.251"), "internal", "internal"),
    ("broadcast from inside", traffic("0.0.0.0", "255.255.255.255"), "internal", "internal"),
    ("detected, coming in", alert(STRANGER, OWN), "kept", "inbound"),
    ("detected, going out", alert(INSIDE, STRANGER), "kept", "outbound"),
    ("detected inside", alert(INSIDE, "10.0.0.1"), "kept", "internal"),
    ("detected from a trusted source", alert(FRIEND, OWN), "trusted", "inbound"),
]


@pytest.mark.parametrize(("line", "outcome", "direction"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_one_line_alone(line: str, outcome: str, direction: str) -> None:
    (found,) = decide(line)
    assert (found.outcome, found.direction) == (outcome, direction)


@pytest.mark.parametrize("port", sorted(risky_ports()))
def test_every_service_that_should_not_face_the_internet(port: int) -> None:
    (found,) = decide(traffic(STRANGER, OWN, port))
    assert found.outcome == "kept"


def test_what_a_blocked_source_is_let_do_afterwards_is_kept() -> None:
    before, blocked, after, other = decide(
        traffic(STRANGER, OWN),
        traffic(STRANGER, OWN, 22, action="deny"),
        traffic(STRANGER, OWN),
        traffic(OTHER_STRANGER, OWN),
    )
    assert [before.outcome, blocked.outcome, after.outcome, other.outcome] == ["routine", "kept", "kept", "routine"]
    assert after.rule == "let in from a source that was blocked, detected or scanning here before"


def test_the_memory_lasts_over_batches_and_as_long_as_it_is_told() -> None:
    by = sieve(remember_hours=2)
    at = 1_794_900_000
    assert decide(alert(STRANGER, OWN, at), by=by)[0].outcome == "kept"
    inside, outside = decide(
        traffic(STRANGER, OWN, at=at + 2 * HOUR), traffic(STRANGER, OWN, at=at + 2 * HOUR + 1), by=by
    )
    assert (inside.outcome, outside.outcome) == ("kept", "routine")


def test_who_is_blocked_on_the_way_out_is_not_remembered_as_a_source() -> None:
    *_, last = decide(traffic(INSIDE, STRANGER, 25, action="deny"), traffic(STRANGER, OWN))
    assert last.outcome == "routine"


def test_a_trusted_source_is_never_remembered() -> None:
    *_, last = decide(alert(FRIEND, OWN), traffic(FRIEND, OWN))
    assert last.outcome == "trusted"


def test_a_flood_of_forged_sources_does_not_hide_who_comes_after_it() -> None:
    by = sieve()
    sources = (f"198.{18 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in range(2 << 16))
    flood = "\n".join(traffic(source, OWN, 80, action="deny") for source in sources)
    for _ in range(2):
        batch = batch_of(flood.encode())
        by.apply(batch)
        assert batch.counts()[0] == batch.lines == 2 << 16
    _, after = decide(traffic(STRANGER, OWN, 22, action="deny"), traffic(STRANGER, OWN), by=by)
    assert after.outcome == "kept"


def test_lines_without_an_event_keep_their_outcome() -> None:
    batch = batch_of(b"who knows\n" + b"x" * 70_000 + b"\n" + traffic(STRANGER, OWN)[:-80].encode() + b"\n\n")
    before = bytes(batch.outcomes)
    sieve().apply(batch)
    assert batch.outcomes == before
    assert {f.outcome for f in told(batch)} == {"unrecognised", "overflow", "malformed"}


_ADDRESSES = st.sampled_from([OWN, INSIDE, STRANGER, OTHER_STRANGER, FRIEND, "10.0.0.1", "8.8.8.8", "224.0.0.1"])
_LINES = st.lists(
    st.one_of(
        st.builds(
            traffic,
            _ADDRESSES,
            _ADDRESSES,
            st.sampled_from([22, 80, 3389]),
            st.sampled_from(["accept", "deny", "ip-conn"]),
        ),
        st.builds(alert, _ADDRESSES, _ADDRESSES),
        st.just("who knows"),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(_LINES)
def test_sieving_moves_lines_between_outcomes_and_loses_none(lines: list[str]) -> None:
    batch = batch_of("\n".join(lines).encode())
    rows, before = batch.rows, batch.counts()
    sieve().apply(batch)
    assert batch.rows == rows
    assert sum(batch.counts()) == batch.lines == len(lines)
    assert batch.counts()[5:] == before[5:]


def test_wrong_rules_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="missing field"):
        Sieve(json.dumps({"rules": []}))
