"""How ingest goes, counted for Prometheus: every step, what was refused or put aside, what waits. No name of anybody is a label.

The counters live in this process; whoever serves metrics asks the library's default registry.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Steps, in order. `received` counts bodies, before anything about them is known.
STEPS = ("received", "verified", "opened", "stored", "receipted", "repeated", "quarantined")

ENVELOPES = Counter("cyberalarm_ingest_envelopes", "Envelopes that reached a step of ingest.", ["step"])
ROWS = Counter("cyberalarm_ingest_rows", "Rows of events that were stored.")
BYTES = Counter("cyberalarm_ingest_bytes", "Bytes of envelopes received.")
PUT_ASIDE = Counter("cyberalarm_ingest_quarantined", "Envelopes put aside for an analyst, by why.", ["code"])
FAILED_GROUPS = Counter("cyberalarm_ingest_groups_failed", "Groups whose storing failed and is completed later.")
COMPLETED = Counter("cyberalarm_ingest_groups_completed", "Groups that were completed after a crash or a failure.")
WAITING = Gauge("cyberalarm_ingest_waiting", "Bundles that wait to be stored.")
GROUP = Histogram(
    "cyberalarm_ingest_group_rows", "Rows stored together.", buckets=(1, 10, 100, 1e3, 1e4, 1e5, 2.5e5, 5e5, 1e6, 2e6)
)
SECONDS = Histogram(
    "cyberalarm_ingest_seconds",
    "Time that each step takes.",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
for _step in STEPS:
    ENVELOPES.labels(_step)


@contextmanager
def seconds(step: str) -> Iterator[None]:
    """Measure what is inside, also when it fails."""
    began = time.perf_counter()
    try:
        yield
    finally:
        SECONDS.labels(step).observe(time.perf_counter() - began)


def exposition() -> bytes:
    """All figures of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
