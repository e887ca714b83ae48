"""The benchmark of a network's events, small: every figure is there, and both stores counted the same."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import billion

from cyberalarm.lab.network import DAY_MS, Network


def test_a_small_network_is_stored_and_asked(tmp_path: Path) -> None:
    found = billion.run(20_000, 20, 35, 5_000, tmp_path, beside=True)
    ours, theirs = found["milliseconds"], found["duckdb"]["milliseconds"]  # type: ignore[index]
    assert set(ours) == set(theirs)  # type: ignore[call-overload]
    for name in ("retro_hunt_10000_addresses", "all_members_weekly_summary"):
        assert ours[name]["rows"] == theirs[name]["rows"] > 0  # type: ignore[index]
    assert all(figures["rows"] for figures in ours.values())  # type: ignore[attr-defined]
    assert found["rows_an_event"]["events"] == 1.0  # type: ignore[index]


def test_the_network_is_the_same_each_time_and_each_event_of_its_day() -> None:
    network = Network(10, 7, 7_003, datetime(2026, 1, 1, tzinfo=UTC))
    begin = int(network.start.timestamp() * 1000)
    made = 0
    for day in range(7):
        for one, again in zip(network.day(day, 300), network.day(day, 300), strict=True):
            assert (one.time == again.time).all()
            assert (one.source == again.source).all()
            assert ((one.time - begin) // DAY_MS == day).all()
            assert (one.member < 10).all()
            made += len(one.time)
    assert made == 7_003
