"""The lines that decoding is measured with: the lab's, and real ones by other people where they are there (never copied)."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEN = datetime(2026, 11, 20, tzinfo=UTC)
RECEIVED_MS = int(WHEN.timestamp() * 1000)
CORPORA = Path(os.environ.get("CYBERALARM_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))


def lab_lines(count: int) -> tuple[list[bytes], list[bytes]]:
    """FortiGate lines, and a mix of all devices, in the order in which they would arrive."""
    from cyberalarm.lab.generate import generate
    from cyberalarm.lab.scenario import default_scenario

    fortigate: list[bytes] = []
    mixed: list[bytes] = []
    for line in generate(default_scenario(), "bench", WHEN, 7, 1.0):
        if line.device == "school-fortigate" and len(fortigate) < count:
            fortigate.append(line.line)
        if len(mixed) < count:
            mixed.append(line.line)
        if len(fortigate) == len(mixed) == count:
            break
    return fortigate, mixed


def real_lines(count: int) -> list[bytes]:
    """All lines by others, shuffled in a fixed order, as often as it takes; none where they are not there."""
    found: list[bytes] = []
    for file in sorted(CORPORA.rglob("messages.log")):
        found += [line for line in file.read_bytes().split(b"\n") if line.strip()]
    order = random.Random(7)

    def endless() -> Iterator[bytes]:
        while found:
            order.shuffle(found)
            yield from found

    return list(islice(endless(), count))


def corpora(count: int) -> dict[str, list[bytes]]:
    """Every corpus by its name."""
    fortigate, mixed = lab_lines(count)
    named = {"FortiGate lines": fortigate, "mixed lab lines": mixed, "mixed real lines": real_lines(count)}
    return {name: lines for name, lines in named.items() if lines}
