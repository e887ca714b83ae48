"""What a centre for so many collectors takes: nodes, disk and cost, computed from measured figures.

    python -m bench.capacity [--events-a-day 30000] … > docs/capacity.md

Every figure is an input with its origin; `FORMULA` says in words what is done with them. What it does not do: measure.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from math import ceil

SIZES = (1_000, 10_000, 50_000, 500_000)
_TB = 1e12
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Inputs:
    """Measured figures, then assumptions. The defaults are those of docs/benchmarks.md on its machine of 2 cores."""

    # Events/s: 255,657 with 1.15 cores busy, with rollups, engine in the same process (`bench/ingest.py`).
    ingest_a_core: float = 222_000
    bundle_seconds: float = (
        0.0488  # of a core for each bundle of 100 rows, whatever it holds more or less (`bench/load.py`)
    )
    bytes_stored: float = 9.5  # an event in the event store, compressed, without rollups (`bench/ingest.py`)
    bytes_sealed: float = 8.3  # an event in its sealed original, which is kept (`bench/ingest.py`)
    # From here on nobody measured: what is usual, or wanted. Change them for your network.
    events_a_day: float = 30_000  # of one collector, summarised rows; a busy site has ten times as many
    rollup_share: float = (
        0.9  # 14.2 beside 15.6 on a million events of `bench/billion.py`: rollups' bytes beside the events'
    )
    peak: float = 10.0  # the busiest minute against the mean: bursts on the minute, all returning after an absence
    busy: float = 0.4  # of its cores a node gives to ingest; pages, merges and detections have the rest
    months: float = 13.0  # events and originals are kept
    full: float = 0.6  # of a disk that is used: merges need room
    node_cores: float = 16
    node_disk: float = 8.0  # TB
    single_cores: float = 8
    single_disk: float = 8.0  # TB: beyond either, one machine is outgrown
    replicas: float = 2
    core_month: float = 20.0  # pounds, with 4 GiB of memory: put your provider's price here
    disk_month: float = 80.0  # pounds a TB of SSD: the same


FORMULA = """\
    events/s          = collectors × events_a_day / 86,400        peak/s = events/s × peak
    ingest cores      = (peak/s / ingest_a_core + collectors / 60 × bundle_seconds) / busy
    events on disk    = collectors × events_a_day × 30.4 × months × bytes_stored × (1 + rollup_share)
    originals on disk = collectors × events_a_day × 30.4 × months × bytes_sealed
    single, if ingest cores ≤ single_cores and (events + originals) / full ≤ single_disk
    shards            = max(events on disk / full / node_disk, ingest cores / 2 / node_cores), rounded up
    ClickHouse nodes  = shards × replicas (one node without a replica: profile `server` with one shard, and a backup)
    other nodes       = ingest: ingest cores / 2 / node_cores, rounded up, at least 2; web 2; worker 1; PostgreSQL 2; Keeper 3
    cost a month      = cores × core_month + disk × disk_month; web, worker, PostgreSQL 4 cores each, Keeper 2"""


@dataclass(frozen=True, slots=True)
class Need:
    """What so many collectors take."""

    collectors: int
    mean: float
    peak: float
    cores: float
    events: float
    originals: float
    profile: str
    nodes: str
    cost: float


def need(collectors: int, given: Inputs) -> Need:
    """The formula, for one size."""
    daily = collectors * given.events_a_day
    mean, peak = daily / _DAY, daily / _DAY * given.peak
    cores = (peak / given.ingest_a_core + collectors / 60 * given.bundle_seconds) / given.busy
    kept = daily * 30.4 * given.months
    events = kept * given.bytes_stored * (1 + given.rollup_share) / _TB
    originals = kept * given.bytes_sealed / _TB
    disk = (events + originals) / given.full
    if cores <= given.single_cores and disk <= given.single_disk:
        cost = given.single_cores * given.core_month + max(disk, 1) * given.disk_month
        return Need(collectors, mean, peak, cores, events, originals, "single", "1", cost)
    half = cores / 2 / given.node_cores
    shards = max(1, ceil(max(events / given.full / given.node_disk, half)))
    ingest = max(2, ceil(half))
    servers = shards * int(given.replicas)
    small = 2 * 4 + 1 * 4 + 2 * 4 + 3 * 2
    all_cores = (servers + ingest) * given.node_cores + small
    all_disk = events / given.full * given.replicas + originals / given.full + 1
    nodes = f"{servers} ClickHouse ({shards} × {int(given.replicas)}), {ingest} ingest, 2 web, 1 worker, 2 PostgreSQL, 3 Keeper"
    cost = all_cores * given.core_month + all_disk * given.disk_month
    return Need(collectors, mean, peak, cores, events, originals, "cluster", nodes, cost)


def page(given: Inputs) -> str:
    """docs/capacity.md."""
    lines = [
        "# Capacity",
        "",
        "What a centre for so many collectors takes. **Computed, not run**: the largest that was run is one machine of 2 cores",
        "([benchmarks.md](benchmarks.md)). `python -m bench.capacity` writes this page;",
        "each input can be changed, as in `--events-a-day 100000`.",
        "",
        "| collectors | events/s | at peak | ingest cores | events, TB | originals, TB | profile | nodes | £ a month |",
        "|---:|---:|---:|---:|---:|---:|---|---|---:|",
    ]
    lines += [_row(need(size, given)) for size in SIZES]
    lines += [
        "",
        "Disk is for one copy; nodes and cost count replicas, and the room that merges need.",
        "",
        "## Formula",
        "",
        FORMULA,
        "",
    ]
    lines += [
        "## Inputs",
        "",
        "Measured on the machine of docs/benchmarks.md: `ingest_a_core` (255,657 events/s with 1.15 cores busy), `bundle_seconds`,",
    ]
    lines += ["`bytes_stored`, `bytes_sealed`. All others are assumptions, and the prices nobody's offer.", ""]
    lines += ["| input | value |", "|---|---:|"]
    lines += [f"| `{field.name}` | {getattr(given, field.name):,g} |" for field in fields(given)]
    return "\n".join(lines) + "\n"


def _row(one: Need) -> str:
    figures = f"{one.collectors:,} | {one.mean:,.0f} | {one.peak:,.0f} | {one.cores:.1f} | {one.events:,.2f} | {one.originals:,.2f}"
    return f"| {figures} | {one.profile} | {one.nodes} | {one.cost:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Capacity of a centre, computed from measured figures.")
    for field in fields(Inputs):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=None)
    told = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    print(page(replace(Inputs(), **told)), end="")


if __name__ == "__main__":
    main()
