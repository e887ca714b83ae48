"""What was let in and looked harmless, before its source turned out not to be: sent after all, once, with exact counts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm._kernel import Sieve, Summary, events
from cyberalarm.core.addresses import network_range
from cyberalarm.formats.library import bundled
from cyberalarm.formats.loader import schema_spec
from tests.kernel.decoding import batch_of, told
from tests.kernel.test_kernel_sieve import HOUR, INSIDE, OTHER_STRANGER, OWN, STRANGER, alert, sieve, traffic

AT = 1_794_900_000


@dataclass
class Site:
    """A sieve and a summary that work together, as in the pipeline."""

    sieve: Sieve = field(default_factory=sieve)
    summary: Summary = field(default_factory=lambda: Summary(bundled().kernel))

    def take(self, *lines: str, device: str = "d-test") -> Counter[str]:
        batch = batch_of("\n".join(lines).encode())
        self.sieve.apply(batch, device)
        self.summary.add(batch, device)
        return Counter(fate.outcome for fate in told(batch))

    def recall(self, most: int = 1_000_000) -> dict[str, int]:
        return dict(self.summary.recall(self.sieve, most))

    def rows(self) -> list[dict[str, Any]]:
        ipc, number = self.summary.drain()
        rows = [json.loads(line) for line in events(ipc, json.dumps(schema_spec())).splitlines()]
        assert len(rows) == number
        return rows


def test_what_a_source_was_let_in_to_before_it_was_blocked_is_sent_after_all() -> None:
    site = Site()
    assert site.take(
        traffic(STRANGER, OWN, at=AT), traffic(STRANGER, OWN, at=AT + 9), traffic(OTHER_STRANGER, OWN)
    ) == {"routine": 3}
    assert (site.rows(), site.recall()) == ([], {})
    site.take(traffic(STRANGER, OWN, 22, action="deny", at=AT + HOUR), device="d-other")
    assert site.sieve.recalled == 1, "two connections within the hour are one row"
    assert site.recall() == {"d-test": 2}
    blocked, before = site.rows()
    assert (blocked["device"], blocked["action"], blocked["dst_port"]) == ("d-other", "blocked", 22)
    assert before | {"time": "", "last": ""} == before | {
        "time": "", "last": "", "device": "d-test", "product": "fortinet-fortigate", "action": "allowed", "count": 2,
        "src_ip": STRANGER, "dst_ip": OWN, "dst_port": 443,
    }  # fmt: skip
    assert before["time"] < before["last"] < blocked["time"]


def test_nothing_is_recalled_twice_and_nothing_beyond_what_is_remembered() -> None:
    site = Site(sieve(remember_hours=2))
    site.take(traffic(STRANGER, OWN, at=AT), traffic(STRANGER, OWN, at=AT + 2 * HOUR))
    for minute in range(3):
        site.take(alert(STRANGER, OWN, at=AT + 3 * HOUR + minute))
    assert site.recall() == {"d-test": 1}
    assert site.recall() == {}


def test_within_one_batch_too() -> None:
    site = Site()
    site.take(traffic(STRANGER, OWN, at=AT), alert(STRANGER, OWN, at=AT + 1))
    assert site.recall() == {"d-test": 1}
    assert sum(row["count"] for row in site.rows()) == 2


@pytest.mark.parametrize(
    ("lines", "scans"),
    [
        ([traffic(STRANGER, OWN, port, at=AT + port) for port in range(1000, 1015)], True),
        ([traffic(STRANGER, OWN, port, at=AT + port) for port in range(1000, 1014)], False),
        ([traffic(STRANGER, f"203.0.113.{n}", at=AT + n) for n in range(25)], True),
        ([traffic(STRANGER, f"203.0.113.{n}", at=AT + n) for n in range(24)], False),
        ([traffic(STRANGER, OWN, port, at=AT + 260 * (port - 40_000)) for port in range(40_000, 40_200)], False),
        ([traffic(f"198.51.100.{n}", OWN, 1000 + n, at=AT) for n in range(60)], False),
        ([traffic(STRANGER, OWN, at=AT + n) for n in range(60)], False),
    ],
    ids=["15 ports", "14 ports", "25 addresses", "24 addresses", "15 ports, slowly", "many sources", "one service"],
)
def test_who_is_let_in_to_many_ports_or_addresses_scans(lines: list[str], scans: bool) -> None:
    site = Site()
    assert site.take(*lines) == {"routine": len(lines)}
    assert site.recall() == ({"d-test": len(lines)} if scans else {})
    assert site.take(traffic(STRANGER, OWN, at=AT + 3000)) == {"kept" if scans else "routine": 1}


def test_a_source_that_the_centre_lists_is_recalled() -> None:
    site = Site()
    site.take(traffic(STRANGER, OWN), traffic(OTHER_STRANGER, OWN), traffic(INSIDE, STRANGER))
    first, last = network_range(f"{STRANGER}/32")
    site.sieve.list_sources([(f"{first:032x}", f"{last:032x}")])
    assert site.recall() == {"d-test": 1}
    assert [row["src_ip"] for row in site.rows()] == [STRANGER]
    with pytest.raises(ValueError, match="nonsense"):
        site.sieve.list_sources([("nonsense", "0")])


def test_recalling_goes_by_bounded_steps() -> None:
    site = Site()
    site.take(*(traffic(STRANGER, OWN, port, at=AT) for port in range(1000, 1010)), alert(STRANGER, OWN, at=AT))
    steps = [site.recall(4).get("d-test", 0) for _ in range(4)]
    assert steps == [4, 4, 2, 0]
    assert site.sieve.recalled == 0


def test_a_flood_of_harmless_connections_is_bounded_and_forgets_the_oldest() -> None:
    site = Site()
    site.take(traffic(STRANGER, OWN, at=AT))
    for part in range(6):
        sources = (f"198.18.{n >> 8 & 255}.{n & 255}" for n in range(part * 20_000, (part + 1) * 20_000))
        site.take(*(traffic(source, f"203.0.113.{part}", at=AT) for source in sources))
    site.take(alert(STRANGER, OWN, at=AT), alert(f"198.18.{119_999 >> 8 & 255}.{119_999 & 255}", OWN, at=AT))
    assert site.recall() == {"d-test": 2}, "of the last one only: it came to two of our addresses"


def test_one_source_cannot_take_all_the_room() -> None:
    site = Site()
    assert site.take(*(traffic(STRANGER, OWN, 40_000 + n, at=AT + 260 * n) for n in range(390))) == {"routine": 390}
    site.take(alert(STRANGER, OWN, at=AT + 260 * 256))
    assert site.recall()["d-test"] == 256


_source = st.sampled_from([STRANGER, OTHER_STRANGER, "198.51.100.77", "2001:db8:3::9"])
_line = st.one_of(
    st.builds(traffic, _source, st.just(OWN), st.sampled_from([443, 80, 25]), at=st.integers(AT, AT + 3 * HOUR)),
    st.builds(traffic, _source, st.just(OWN), st.just(22), st.just("deny"), at=st.integers(AT, AT + 3 * HOUR)),
    st.builds(alert, _source, st.just(OWN), at=st.integers(AT, AT + 3 * HOUR)),
)


@given(st.lists(st.lists(_line, max_size=12), max_size=6), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_rows_stand_for_exactly_the_kept_and_the_recalled_lines(batches: list[list[str]], most: int) -> None:
    site = Site()
    kept = recalled = allowed = 0
    for lines in batches:
        if lines:
            counts = site.take(*lines)
            kept, allowed = kept + counts["kept"], allowed + counts["routine"]
        recalled += sum(site.recall(most).values())
    while site.sieve.recalled:
        recalled += sum(site.recall(most).values())
    assert sum(row["count"] for row in site.rows()) == kept + recalled
    assert recalled <= allowed


def test_who_is_inside_never_leaves_also_where_something_was_detected() -> None:
    site = Site()
    assert site.take(alert(INSIDE, "10.0.0.1"), alert("fd00::1", "fd00::2"), alert(OWN, INSIDE)) == {"kept": 3}
    rows = site.rows()
    assert sum(row["count"] for row in rows) == 3
    for row in rows:
        assert (row["direction"], row["signature"]) == ("internal", "Made.Up")
        assert not {"src_ip", "dst_ip", "src_port", "dst_port"} & set(row)
