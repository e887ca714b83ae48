"""Seven days of bundles: how large, how many, how soon open, how soon sent.

    python bench/spool.py [MINUTES]

Takes the lab's mix of all devices at 500 lines a second, with the times that such lines have, through the collector's pipeline
into a real spool (sealed, chained, flushed); ships that to a real centre (`cyberalarm central serve`, profile embedded) over
HTTPS on loopback; and opens a spool of as many bundles as seven days make. What is measured for some minutes is multiplied for
the week, and says so.
"""

from __future__ import annotations

import heapq
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.lines import WHEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.collector.config import CollectorConfig

RATE = 500  # lines a second
WEEK_LINES = RATE * 7 * 86_400
WEEK_BUNDLES = 7 * 24 * 60
MOST_BYTES = 4 * 1024**3  # the default of `spool_bytes`
_LAB_SCALE = 1000.0  # the largest: about 240 lines a second
_LAB_DAYS = 0.25  # the shortest run that it makes; only its beginning is used
_MINUTE_MS = 60_000
_SETTLED = 90.0


def minutes_of_lines(minutes: int) -> Iterator[dict[str, list[bytes]]]:
    """Each minute's lines by device, about as dense as 500 a second: two runs of the lab at its largest scale, side by side."""
    from cyberalarm.lab.generate import generate
    from cyberalarm.lab.scenario import default_scenario

    runs = [generate(default_scenario(), seed, WHEN, _LAB_DAYS, _LAB_SCALE) for seed in ("bench", "bench too")]
    both = heapq.merge(*runs, key=lambda line: line.time)
    for _, minute in islice(groupby(both, lambda line: line.time // _MINUTE_MS), minutes):
        by_device: dict[str, list[bytes]] = {}
        for line in minute:
            by_device.setdefault(line.device, []).append(line.line)
        yield by_device


@contextmanager
def centre(folder: Path) -> Iterator[str]:
    """A real centre with one approved member; gives the registration token of its collector."""
    folder.mkdir()
    (folder / "central.toml").write_text(f'data = "data"\nport = {_free_port()}\n')
    provision = subprocess.run(
        [sys.executable, "-c", _PROVISION, str(folder / "central.toml")], capture_output=True, text=True, check=True
    )
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-c", "from cyberalarm.cli.app import main; main()", "central", "serve"]
        serving = subprocess.Popen([*command, "--config", str(folder / "central.toml")], stdout=log, stderr=log)
    try:
        yield provision.stdout.splitlines()[-1]
    finally:
        serving.terminate()
        serving.wait(_SETTLED)


_PROVISION = """
import sys
from pathlib import Path
from cyberalarm.cli.django_setup import set_up
set_up(Path(sys.argv[1]), fresh=True)
from django.core.management import call_command
call_command("migrate", verbosity=0)
from cyberalarm.central.accounts.models import Role
from cyberalarm.central.accounts.services import create_police_user
from cyberalarm.central.enrolment.services import provision
from cyberalarm.central.members.models import Member, Site
from cyberalarm.core.places import Scope
by = create_police_user("bench@police.example", "Bench", "purple-lantern-marmalade", Scope.national(), Role.OPERATOR)
member = Member.objects.create(name="Bench", kind="school", force="kent", status="approved")
_, token = provision(Site.objects.create(member=member, name="Main"), "Collector", by)
print(token.to_text())
"""


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def enrolled(config: CollectorConfig, token: str) -> None:
    """Enrol once the centre answers."""
    from cyberalarm.collector.enrol import enrol
    from cyberalarm.collector.errors import CentreUnreachableError

    until = time.monotonic() + _SETTLED
    while True:
        try:
            enrol(config, token)
        except CentreUnreachableError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


def fill(config: CollectorConfig, minutes: int) -> tuple[int, int]:
    """Spool so many minutes; gives the lines and the bytes."""
    from cyberalarm.collector.receive.chunk import Chunk
    from cyberalarm.collector.replay import _Run

    run, lines, took = _Run(config, 5), 0, 0.0
    began_ms = int(WHEN.timestamp() * 1000) - int(_LAB_DAYS * 1440) * _MINUTE_MS
    for number, by_device in enumerate(minutes_of_lines(minutes)):
        began = time.perf_counter()
        for device, some in by_device.items():
            lines += len(some)
            at = began_ms + (number + 1) * _MINUTE_MS
            run.pipeline.take(Chunk(device, b"\n".join(some) + b"\n"), reference_ms=at)
        if run.pipeline.close_bundle() is None:
            raise SystemExit("a bundle was not spooled")
        took += time.perf_counter() - began
    size, waiting = run.spool.size, run.spool.waiting
    print(f"{lines:,} lines of the lab's mix in {waiting} bundles of a minute: {lines / waiting / 60:,.0f} lines/s")
    print(f"decoded, sieved, summarised, sealed and spooled in {took:.1f} s: {lines / took / RATE:,.0f} x real time")
    return lines, size


def ship(config: CollectorConfig) -> float:
    """Send all that waits; gives bundles a second."""
    from cyberalarm.collector import identity as identities
    from cyberalarm.collector.centre import Centre
    from cyberalarm.collector.ship import Shipper
    from cyberalarm.collector.spool import Spool

    identity = identities.load(config.data)
    spool = Spool(config.data / "spool", config.spool_bytes)
    shipper = Shipper(Centre(identity.centre, identity.pin), identity, spool, RLock())
    bundles, began = spool.waiting, time.perf_counter()
    while (wait := shipper.step()) is not None:
        if wait:
            raise SystemExit(shipper.progress.trouble)
    return bundles / (time.perf_counter() - began)


def open_week(folder: Path, largest: int) -> tuple[float, float]:
    """Seconds to open a spool of seven days, and to take its oldest bundle out to send. Each file is as large as the largest that
    was measured, so that a reader of all of them would be seen (holes in them take no room).
    """
    from cyberalarm.collector.spool import Spool
    from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
    from cyberalarm.envelope.sealing import FIRST_PREVIOUS, Header, digest, seal

    key, to, previous = SigningKey.generate(), AnalysisKey.generate(Suite.CLASSIC).public, FIRST_PREVIOUS
    folder.mkdir()
    for sequence in range(1, WEEK_BUNDLES + 1):
        whole = sequence in (1, WEEK_BUNDLES)
        header = Header("c-bench", sequence, previous, 1_700_000_000_000, 0, 0)
        envelope = seal(bytes(largest if whole else 100), header, to, key)
        path = folder / f"{sequence:020d}.env"
        path.write_bytes(envelope)
        if not whole:
            os.truncate(path, largest)
        previous = digest(envelope)
    began = time.perf_counter()
    spool = Spool(folder, MOST_BYTES)
    opened = time.perf_counter()
    found = spool.next()
    taken = time.perf_counter()
    if found is None or spool.waiting != WEEK_BUNDLES:
        raise SystemExit("the spool is not as it was made")
    return opened - began, taken - opened


def main(minutes: int, folder: Path) -> None:
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    from cyberalarm.collector.config import CollectorConfig

    config = CollectorConfig(data=folder / "collector")
    with centre(folder / "centre") as token:
        enrolled(config, token)
        lines, size = fill(config, minutes)
        largest = max(path.stat().st_size for path in (config.data / "spool").glob("*.env"))
        bundles = ship(config)
    week = size / lines * WEEK_LINES
    print(f"sealed on disk: {size / lines:.2f} bytes a line, {size / minutes / 1024:,.0f} KiB a bundle")
    print(
        f"seven days, by multiplication: {WEEK_LINES / 1e6:.1f} million lines, {WEEK_BUNDLES:,} bundles, "
        f"{week / 1024**3:.2f} GiB of {MOST_BYTES / 1024**3:.0f} GiB"
    )
    print(
        f"sent to a real centre, one after the other: {bundles:.1f} receipts/s, {bundles * 60:,.0f} x real time; "
        f"seven days in {WEEK_BUNDLES / bundles / 3600:.1f} h"
    )
    opening, first = open_week(folder / "week", largest)
    print(
        f"a spool of {WEEK_BUNDLES:,} bundles opens in {opening:.2f} s; its oldest is read and checked in {first:.3f} s"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as made:
        main(int((sys.argv[1:] or ["20"])[0]), Path(made))
