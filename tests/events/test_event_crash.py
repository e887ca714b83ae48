"""Killed at any moment after an insert was answered, the store has lost nothing of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events.store import EventStore

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cyberalarm.central.events.arrow import Origin, table_of, with_origin
from cyberalarm.central.events.store import EventStore
store = EventStore.open(Path(sys.argv[1]))
now = datetime(2026, 11, 2, tzinfo=UTC)
events = table_of([{"time": now, "count": 2}] * 500)
first = int(sys.argv[2])
for sequence in range(first, first + 100_000):
    store.insert(with_origin(events, Origin(1, 1, sequence, "kent", "south-east", now)))
    print(sequence, flush=True)
"""


@pytest.mark.parametrize("answered", [1, 7, 30])
def test_nothing_answered_is_lost(tmp_path: Path, answered: int) -> None:
    folder = tmp_path / "store"
    for first in (1, 1_000_000):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        seen: list[int] = []
        for line in writer.stdout:
            if line.strip().isdigit():
                seen.append(int(line))
            if len(seen) == answered:
                writer.send_signal(signal.SIGKILL)
                break
        # What it answered between our decision and its death counts as well.
        seen += [int(line) for line in writer.stdout.read().split() if line.isdigit()]
        assert writer.wait() == -signal.SIGKILL
        store = EventStore.open(folder)
        try:
            for sequence in seen:
                assert store.bundle_rows(1, sequence) == 500
            # The bundle in flight may be there whole, in part or not at all; recovery removes it.
            store.delete_bundle(1, seen[-1] + 1)
            assert store.bundle_rows(1, seen[-1] + 1) == 0
            assert store.bundle_rows(1, seen[-1]) == 500
        finally:
            store.close()
