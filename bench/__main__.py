"""Runs every benchmark, one after the other, and writes what they printed to docs/benchmarks.md with the machine and versions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SCRIPTS = {
    "decode.py": "Decoding, one core",
    "collector.py": "One collector, end to end over UDP",
    "ingest.py": "The centre's receiving side",
    "store.py": "The event store",
    "drift.py": "What watching for drift costs a collector",
    "scanner.py": "The scanner",
}
VERSIONS = ("cyberalarm", "chdb", "clickhouse-connect", "pyarrow", "cryptography", "django")
MOST_SECONDS = 1800


def processor() -> str:
    for row in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
        if row.startswith("model name"):
            return row.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    names = sys.argv[1:] or [name for name in SCRIPTS if (HERE / name).exists()]
    began = datetime.now(UTC)
    parts = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Machines are noisy: compare figures within one run, as ratios, rather than between runs.",
        "",
        f"{began:%d %B %Y} · {processor()}, {os.cpu_count()} cores · Python {platform.python_version()} · "
        + " · ".join(f"{name} {version(name)}" for name in VERSIONS),
    ]
    for name in names:
        print(f"== {name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, str(HERE / name)], capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
        sys.stderr.write(done.stdout + done.stderr[-2000:])
        if done.returncode:
            sys.exit(f"{name} failed")
        parts += ["", f"## {SCRIPTS.get(name, name)} (`bench/{name}`)", "", "```", done.stdout.rstrip(), "```"]
    PAGE.write_text("\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
