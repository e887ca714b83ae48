"""The capacity page is what its formula gives, and the formula behaves as a formula of capacity must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.capacity import SIZES, Inputs, need, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_script_writes() -> None:
    assert (ROOT / "docs" / "capacity.md").read_text("utf-8") == page(Inputs())


def test_the_measured_inputs_are_those_of_the_benchmarks() -> None:
    told = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert "255,657 events/s  (1.15 cores)" in told
    assert abs(Inputs().ingest_a_core - 255_657 / 1.15) < 1_000
    assert f"({Inputs().bundle_seconds * 1000:.1f} ms a bundle)" in told
    assert f"{Inputs().bytes_sealed} bytes per row sealed" in told
    assert f"{Inputs().bytes_stored} bytes per event stored" in told


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_collectors_never_take_less(one: int, other: int) -> None:
    less, more = (need(size, Inputs()) for size in sorted((one, other)))
    assert less.cost <= more.cost
    assert less.events <= more.events


def test_what_is_kept_longer_takes_more_disk() -> None:
    for size in SIZES:
        assert need(size, replace(Inputs(), months=26)).events > need(size, Inputs()).events
