"""Many collectors against a running centre: how long each waits for its receipt, what is lost or doubled, how memory goes.

    python bench/load.py [--collectors N] [--rounds N] [--every SECONDS] [--rows N] [--kills N]

Starts a centre as a process (`central serve`, TLS, its defaults but for the bound on connections of one address, since all come
from one here), with N enrolled collectors. In each round every collector sends one sealed envelope over a connection of its own, as
ours does, within the first seconds of the round; who is told to wait waits as ours does, and tries again. `--kills` kills the
centre with SIGKILL in so many rounds and starts it again. At the end the event store is compared with what was receipted.

A soak is many rounds: --rounds 30 --every 60 takes half an hour. Sealing is done before; clients share the machine with the centre.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 18443
WORKERS = 128
BURST = 5.0  # seconds in which a round's envelopes begin
PATIENCE = 60


class Centre:
    """The process under test, and the most memory that it had (resident, MiB) in each round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.memory: list[int] = []
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", "from cyberalarm.cli.app import main; main()", "central", "serve"]
        environment = {**os.environ, "CYBERALARM_CENTRAL_CONFIG": str(self._folder / "central.toml")}
        log = (self._folder / "centre.log").open("ab")
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        pool = urllib3.HTTPSConnectionPool("127.0.0.1", PORT, cert_reqs="CERT_NONE", retries=False)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                pool.request("GET", "/", timeout=2, redirect=False)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.2)
            else:
                return
        self.process.kill()
        raise SystemExit("the centre does not answer: " + (self._folder / "centre.log").read_text()[-2000:])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def note_memory(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.memory.append(int(status.split("VmRSS:")[1].split()[0]) // 1024)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def sealed(collectors: int, rounds: int, rows: int) -> list[list[bytes]]:
    """Enrolled collectors in the database, and the envelopes of each, in order."""
    import ingest  # bench/ingest.py, beside this file

    ingest.COLLECTORS = collectors
    return [chain for _, chain in ingest.sealed(collectors * rounds, rows)]


def deliver(envelope: bytes, begin: float, pin: str) -> tuple[float, int]:
    """Send until it is receipted; gives the seconds that it took from `begin` on, and the number of tries."""
    time.sleep(max(0.0, begin - time.monotonic()))
    headers = {"Content-Type": "application/octet-stream", "CyberAlarm-Reads": "quarantined"}
    tries, wait = 0, 1.0
    while True:
        tries += 1
        asked = 0.0
        with urllib3.HTTPSConnectionPool(
            "127.0.0.1", PORT, cert_reqs="CERT_NONE", assert_fingerprint=pin, retries=False, timeout=PATIENCE
        ) as pool:
            try:
                answer = pool.request("POST", "/api/collector/v1/envelopes", body=envelope, headers=headers)
            except urllib3.exceptions.HTTPError:
                pass
            else:
                if answer.status == 200:
                    if b'"quarantined"' in answer.data:
                        raise SystemExit("an envelope was put aside")
                    return time.monotonic() - begin, tries
                if answer.status < 500:
                    raise SystemExit(answer.data.decode())
                asked = float(answer.headers.get("Retry-After", 0))
        time.sleep(max(asked, wait * random.uniform(0.7, 1.3)))
        wait = min(2 * wait, 300)


def play(
    centre: Centre, chains: list[list[bytes]], every: float, kills: int, pin: str
) -> Iterator[list[tuple[float, int]]]:
    rounds = len(chains[0])
    for number in range(rounds):
        began = time.monotonic()
        with ThreadPoolExecutor(min(WORKERS, len(chains))) as pool:
            begins = sorted(began + random.uniform(0, min(BURST, every / 2)) for _ in chains)
            waiting = [pool.submit(deliver, c[number], b, pin) for c, b in zip(chains, begins, strict=True)]
            killer = threading.Timer(BURST / 2, centre.kill) if number < kills else None
            if killer:
                killer.start()
            answers = [one.result() for one in waiting]
            if killer:
                killer.join()
        centre.note_memory()
        yield answers
        if number + 1 < rounds:
            time.sleep(max(0.0, began + every - time.monotonic()))


def main(asked: argparse.Namespace, folder: Path) -> None:
    import django
    import structlog

    (folder / "central.toml").write_text(f'data = "data"\nport = {PORT}\nconnections_per_address = 5000\n')
    os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(folder / "central.toml")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cyberalarm.central.settings")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from cyberalarm.central.enrolment.keys import centre_keys
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.models import Envelope

    call_command("migrate", verbosity=0)
    chains = sealed(asked.collectors, asked.rounds, asked.rows)
    centre = Centre(folder)
    times: list[float] = []
    tries = 0
    for number, answers in enumerate(play(centre, chains, asked.every, asked.kills, centre_keys(settings.CONFIG).pin)):
        took = sorted(seconds for seconds, _ in answers)
        times += took
        tries += sum(count for _, count in answers)
        print(
            f"round {number + 1:3}: p50 {took[len(took) // 2]:6.2f} s, p99 {took[int(len(took) * 0.99)]:6.2f} s,"
            f" centre {centre.memory[-1]} MiB",
            flush=True,
        )
    centre.stop()
    times.sort()
    store = EventStore.open(settings.CONFIG.data / "events")
    found, wanted = store.size()[0], len(times) * asked.rows
    store.close()
    stored = Envelope.objects.filter(state=Envelope.State.STORED).count()
    print(
        f"{len(times):,} envelopes of {asked.rows} rows receipted, {tries / len(times):.2f} tries each;"
        f" p50 {times[len(times) // 2]:.2f} s, p99 {times[int(len(times) * 0.99)]:.2f} s, longest {times[-1]:.2f} s"
    )
    print(f"rows receipted {wanted:,}, stored {found:,}; envelopes stored {stored:,}; kills {asked.kills}")
    if found != wanted or stored != len(times):
        raise SystemExit("lost or doubled")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--collectors", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, default=20.0)
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--kills", type=int, default=0)
    with tempfile.TemporaryDirectory(prefix="cyberalarm-load-") as made:
        main(parser.parse_args(), Path(made))
