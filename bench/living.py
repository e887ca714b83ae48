"""What it is to have a collector on a machine: how soon it listens, and what it takes when nothing comes and when much does.

    python bench/living.py [SECONDS]

The collector is the real program as a process of its own, enrolled at nobody, with metrics on. Times are from the moment in which
the process is made to its word that it is ready (as systemd hears it), and to the moment in which its UDP port is open, from which
on nothing is lost; and the processor time until then, which a busy machine changes less. The first start is that of a copy of the
program whose packs were not compiled by an installer, and whose folder it may write; its Python files are compiled, as installers
do. Memory is what the process has in RAM, shared libraries included.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import receivers, sender
from bench.collector import busy, memory, write_lines
from bench.peers.process import note

ROOT = Path(__file__).resolve().parents[1]
STARTS = 7
SECONDS = 20.0
RATE = 10_000  # the design's figure for memory is at this rate
PATIENCE = 60.0
MAIN = "from cyberalarm.cli.app import main; main()"
# The figures of the design and of the issue.
IDLE_MB, BUSY_MB, START_S = 80, 200, 1.0


@dataclass(frozen=True, slots=True)
class Started:
    """A collector that is ready: seconds to the open port and to its word, and of processor time until then."""

    process: subprocess.Popen[bytes]
    open_s: float
    ready_s: float
    cpu_s: float


def start(home: Path, port: int, source: Path) -> Started:
    """Start the program of a source tree. Raises TimeoutError when it is not ready in time."""
    address = home / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (home / "log").open("ab") as log:
        manager.bind(str(address))
        manager.settimeout(0.005)
        environment = {**os.environ, "NOTIFY_SOCKET": str(address), "PYTHONPATH": str(source)}
        command = [sys.executable, "-c", MAIN, "collector", "run", "--config", str(home / "collector.toml")]
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        opened = 0.0
        while time.perf_counter() - began < PATIENCE and process.poll() is None:
            if not opened and receivers.listens(port):
                opened = time.perf_counter() - began
            try:
                if manager.recv(4096).startswith(b"READY=1"):
                    ready = time.perf_counter() - began
                    return Started(process, opened or ready, ready, busy(process))
            except TimeoutError:
                continue
    receivers.stop(process)
    raise TimeoutError(f"not ready: {(home / 'log').read_text('utf-8', 'replace')[-500:]}")


def enrolled(home: Path) -> int:
    """A collector's folder that is enrolled at nobody; gives its port."""
    made = receivers.collector(home)
    receivers.stop(made.process)
    with (home / "collector.toml").open("a") as out:
        out.write(f'[metrics]\nlisten = "unix:{home}/metrics"\n')
    return made.port


def first_start(folder: Path) -> Started:
    """Of a program that has just been installed."""
    copy, home = folder / "installed", folder / "first"
    shutil.copytree(
        ROOT / "src" / "cyberalarm", copy / "cyberalarm", ignore=shutil.ignore_patterns("__pycache__", "central")
    )
    compileall.compile_dir(copy, quiet=2)
    home.mkdir()
    started = start(home, enrolled(home), copy)
    receivers.stop(started.process)
    return started


def processor(process: subprocess.Popen[bytes], seconds: float) -> float:
    """Share of one core over so many seconds."""
    before, began = busy(process), time.perf_counter()
    time.sleep(seconds)
    return (busy(process) - before) / (time.perf_counter() - began)


def taken(home: Path) -> int:
    """Lines in the ledgers."""
    state = json.loads((home / "data" / "state.json").read_bytes())
    return sum(device["ledger"]["received"] for device in state["devices"].values())


def scrape(home: Path) -> tuple[float, int]:
    """Milliseconds and bytes of the figures."""
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(home / "metrics"))
        asker.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        said = b""
        while piece := asker.recv(65536):
            said += piece
    return (time.perf_counter() - began) * 1000, len(said)


def main(seconds: float = SECONDS) -> None:
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as made:
        folder, home = Path(made), Path(made, "home")
        home.mkdir()
        first = first_start(folder)
        port = enrolled(home)
        starts = []
        for _ in range(STARTS):
            started = start(home, port, ROOT / "src")
            starts.append(started)
            receivers.stop(started.process)
        running = start(home, port, ROOT / "src").process
        try:
            time.sleep(5)
            idle_cpu = processor(running, seconds)
            idle = memory(running, "VmRSS")
            width = write_lines(folder / "lines")
            note(f"  {RATE:,} lines/s for {seconds:.0f} s")
            used, began = busy(running), time.perf_counter()
            command = [sys.executable, sender.__file__, str(folder / "lines"), str(port), str(RATE), str(seconds)]
            said = subprocess.run(command, check=True, capture_output=True, timeout=seconds * 10 + PATIENCE).stdout
            sent, took = int(said.split()[0]), float(said.split()[1])
            cores = (busy(running) - used) / (time.perf_counter() - began)
            time.sleep(3)
            received = taken(home)
            most = memory(running, "VmHWM")
            ms, length = scrape(home)
        finally:
            receivers.stop(running)
    for name, times in (
        ("open ports", [one.open_s for one in starts]),
        ("ready", [one.ready_s for one in starts]),
        ("ready, processor time", [one.cpu_s for one in starts]),
    ):
        between = f"{min(times):.2f} to {max(times):.2f} in {STARTS}"
        print(f"start to {name}: {median(times):.2f} s ({between}; wanted below {START_S:.0f})")
    print(f"first start, packs not compiled: ports open after {first.open_s:.2f} s, ready after {first.ready_s:.2f} s")
    print(f"idle: {idle:,.0f} MB (wanted at most {IDLE_MB}), {idle_cpu:.1%} of a core")
    print(
        f"{sent / took:,.0f} lines/s of {width} bytes: at most {most:,.0f} MB (wanted at most {BUSY_MB}), {cores:.1%} of a core"
    )
    print(f"of {sent:,} lines {sent - received:,} lost")
    print(f"figures for Prometheus: {length:,} bytes in {ms:.1f} ms")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
