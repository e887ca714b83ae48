"""Backup and restore of an event store, timed: rows made, stored, backed up, verified, restored.

    python bench/backup.py [--rows 2000000] [--place FOLDER] [--keep]

Each step runs as its users run it: `central backup`, `central verify-backup`, `central restore`, each a process of its own. A
second backup after a few more rows shows what it costs to add to one. `--rows 100000000` is the published size.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
BATCH = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--place", type=Path, default=None)
    parser.add_argument("--keep", action="store_true", help="leave the folders for a look")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cyberalarm-bench-backup-", dir=wanted.place))
    try:
        run(folder, wanted.rows)
    finally:
        if not wanted.keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, rows: int) -> None:
    config = folder / "central.toml"
    config.write_text('data = "data"\nrecovery_key = "recovery.key.pub"\n')
    central("recovery-key", folder / "recovery.key")
    central("migrate", "--config", config)
    fill(folder / "data" / "events", rows, 0)
    depot = folder / "depot"
    timed("backup, first", rows, "backup", depot, "--config", config)
    fill(folder / "data" / "events", max(rows // 100, 1000), 1)
    timed("backup, 1 % more", rows, "backup", depot, "--config", config)
    timed("verify", rows, "verify-backup", depot)
    timed("verify, opened", rows, "verify-backup", depot, "--key", folder / "recovery.key")
    (folder / "data").rename(folder / "data.before")
    timed("restore", rows, "restore", depot, "--key", folder / "recovery.key", "--config", config)
    size = sum(path.stat().st_size for path in depot.rglob("*") if path.is_file())
    print(f"{'depot':18} {size:>16,} bytes in {sum(1 for _ in (depot / 'objects').glob('*/*')):,} objects")


def fill(directory: Path, rows: int, seed: int) -> None:
    """Store rows as ingest does, a million at a time."""
    sys.path.insert(0, str(ROOT))
    from bench.ingest import table
    from cyberalarm.central.events.arrow import Origin, with_origin
    from cyberalarm.central.events.store import EventStore

    store, began, done = EventStore.open(directory), time.perf_counter(), 0
    try:
        while done < rows:
            number = min(BATCH, rows - done)
            origin = Origin(done // BATCH % 2000 + 1, 1, done + seed, "kent", "south-east", datetime.now(UTC))
            store.insert(with_origin(table(number, seed * 100_000 + done), origin))
            done += number
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done:,} of {rows:,} rows made ")
        size = store.size()[1]
    finally:
        store.close()
    say("made and stored", rows, time.perf_counter() - began, f"{size:,} bytes on disk in all")


def timed(name: str, rows: int, *arguments: object) -> None:
    began = time.perf_counter()
    central(*arguments)
    say(name, rows, time.perf_counter() - began, "")


def say(name: str, rows: int, took: float, more: str) -> None:
    print(f"{name:18} {rows:>14,} rows  {took:8.2f} s  {rows / took:>14,.0f} rows/s  {more}".rstrip(), flush=True)


def central(*arguments: object) -> None:
    program = [str(Path(sys.executable).with_name("cyberalarm")), "central", *map(str, arguments)]
    done = subprocess.run(program, capture_output=not sys.stderr.isatty(), text=True, env=os.environ, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(program)}: {done.stderr}")


if __name__ == "__main__":
    main()
