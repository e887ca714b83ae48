"""Runs every benchmark, one after the other, and writes what they printed to docs/benchmarks.md with the machine and versions.

    python -m bench [NAME …]

With names (`decode`, `store`), only those are run; their parts of the page are renewed and say when, and the others stay.
"""

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
    "wire.py": "What leaves a site for each raw line",
    "living.py": "Living with a collector: starting, idle, at work",
    "spool.py": "Seven days of bundles in the spool, and on their way",
    "ingest.py": "The centre's receiving side",
    "load.py": "Many collectors at once",
    "store.py": "The event store",
    "backup.py": "Backing up and restoring the centre",
    "drift.py": "What watching for drift costs a collector",
    "scanner.py": "The scanner",
}
VERSIONS = ("cyberalarm", "chdb", "clickhouse-connect", "pyarrow", "cryptography", "django")
MOST_SECONDS = 1800
INTRODUCTION = """\
# Benchmarks

Written by `make bench`. Machines are noisy: compare figures within one run, as ratios, rather than between runs."""


def processor() -> str:
    for row in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
        if row.startswith("model name"):
            return row.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    names = [name.removesuffix(".py") + ".py" for name in sys.argv[1:]]
    began = datetime.now(UTC)
    machine = (
        f"{began:%d %B %Y} · {processor()}, {os.cpu_count()} cores · Python {platform.python_version()} · "
        + " · ".join(f"{name} {version(name)}" for name in VERSIONS)
    )
    renewed = {heading(name): measured(name) for name in names or SCRIPTS if names or (HERE / name).exists()}
    if names:
        first, parts = written()
        parts |= {title: f"{machine}\n\n{text}" for title, text in renewed.items()}
    else:
        first, parts = f"{INTRODUCTION}\n\n{machine}", renewed
    page = "\n\n".join([first, *(f"## {title}\n\n{text}" for title, text in parts.items())])
    PAGE.write_text(page + "\n", "utf-8")


def heading(name: str) -> str:
    return f"{SCRIPTS.get(name, name)} (`bench/{name}`)"


def measured(name: str) -> str:
    """What a benchmark printed."""
    print(f"== {name}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / name)], capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    sys.stderr.write(done.stdout + done.stderr[-2000:])
    if done.returncode:
        sys.exit(f"{name} failed")
    return f"```\n{done.stdout.rstrip()}\n```"


def written() -> tuple[str, dict[str, str]]:
    """The page as it is: what stands before its parts, and each part by its title."""
    first, *parts = PAGE.read_text("utf-8").rstrip().split("\n## ")
    return first.rstrip(), {title: text.strip() for title, _, text in (part.partition("\n") for part in parts)}


if __name__ == "__main__":
    main()
