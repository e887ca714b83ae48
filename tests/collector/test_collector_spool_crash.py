"""A kill or a power cut at every single step of spooling and shipping: what was acknowledged is there, the chain goes on, no hand
is needed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.spool import Spool
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.sealing import FIRST_PREVIOUS, Header, digest, read_header, seal
from tests.collector.failing_disk import Disk, Killed, after_power_cut, lay_out
from tests.collector.processes import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.collector.spool import Link

KEY = SigningKey.generate()
TO = AnalysisKey.generate(Suite.CLASSIC).public
PLENTY = 10**9


def sealing(content: bytes) -> Callable[[int, str], bytes]:
    return lambda sequence, previous: seal(content, Header("c-test", sequence, previous, 1, 0, 0), TO, KEY)


class Taker:
    """Takes envelopes as the centre does: each once, in order, in one chain."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.head = FIRST_PREVIOUS

    def take(self, envelope: bytes) -> None:
        name = digest(envelope)
        if name in self.taken:
            return
        header = read_header(envelope)
        assert (header.sequence, header.previous) == (len(self.taken) + 1, self.head), "another envelope in its place"
        self.taken[name] = header.sequence
        self.head = name


def work(disk: Disk) -> None:
    """Three are put in, two sent, one more put in, the rest sent. The disk's list says what was acknowledged, and what the centre
    has.
    """
    spool = Spool(disk.root, PLENTY)
    contents = count()

    def put() -> None:
        disk.said("spooled", spool.put(sealing(b"%d" % next(contents))))

    def ship() -> None:
        link, envelope = spool.next() or pytest.fail("nothing waits")
        disk.said("taken", envelope)
        spool.receipted(link)

    for act in (put, put, put, ship, ship, put, ship, ship, put):
        act()


def holds(folder: Path, steps: list[tuple[object, ...]]) -> None:
    """Begin anew on what is left, and send everything."""
    taker = Taker()
    for what, *value in steps:
        if what == "taken":
            taker.take(value[0])  # type: ignore[arg-type]
    spool = Spool(folder, PLENTY)
    spool.put(sealing(b"afterwards"))
    while found := spool.next():
        link, envelope = found
        taker.take(envelope)
        spool.receipted(link)
    spooled: list[Link] = [value[0] for what, *value in steps if what == "spooled"]  # type: ignore[misc]
    assert {link.digest for link in spooled} <= set(taker.taken), "acknowledged and lost"
    assert taker.head == spool.head.digest
    assert sorted(path.name for path in folder.iterdir()) == ["ballast", "chain.json"]


def whole_length(folder: Path) -> int:
    with Disk(folder).watched() as disk:
        work(disk)
    return len(disk.steps)


def test_killed_at_every_step(tmp_path: Path) -> None:
    length = whole_length(tmp_path / "whole")
    assert length > 60
    for cut in range(length + 1):
        with Disk(tmp_path / str(cut), cut).watched() as disk, suppress(Killed):
            work(disk)
        holds(disk.root, disk.steps)


def test_killed_twice(tmp_path: Path) -> None:
    """Also while the next start tidies up."""
    for cut in range(0, whole_length(tmp_path / "whole"), 3):
        with Disk(tmp_path / str(cut), cut).watched() as first, suppress(Killed):
            work(first)
        for again in range(3):
            with Disk(first.root, again).watched(), suppress(Killed):
                Spool(first.root, PLENTY)
        holds(first.root, first.steps)


def test_the_power_fails_after_every_step(tmp_path: Path) -> None:
    with Disk(tmp_path / "whole").watched() as disk:
        work(disk)
    states = 0
    for cut in range(len(disk.steps) + 1):
        for contents in after_power_cut(disk.steps[:cut]):
            states += 1
            folder = tmp_path / f"state-{states}"
            lay_out(folder, contents)
            holds(folder, disk.steps[:cut])
    assert states > 150


def test_such_a_cut_is_noticed_where_nothing_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the test can fail: without flushing, something acknowledged is lost, or the spool is damaged."""
    with Disk(tmp_path / "whole").watched() as disk:
        work(disk)
    careless = [step for step in disk.steps if not step[0].startswith("flush")]  # type: ignore[attr-defined]
    lost = 0
    for number, contents in enumerate(after_power_cut(careless[:9])):
        folder = tmp_path / str(number)
        lay_out(folder, contents)
        try:
            holds(folder, careless[:9])
        except Exception:  # noqa: BLE001 - whichever way it fails
            lost += 1
        except AssertionError:
            lost += 1
    assert lost


@pytest.mark.parametrize("years", [-30, 30])
def test_the_clock_jumps_while_bundles_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    spool = Spool(tmp_path, PLENTY)
    spool.put(sealing(b"before"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + years * 365.25 * 86_400)
    holds(tmp_path, [("spooled", spool.head)])


# A folder on a disk of its own that is too small, then made read-only, then good again. Says what happened, line by line.
SMALL_DISK = """
import ctypes, os, subprocess, sys
from pathlib import Path
from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.spool import Spool
from tests.collector.test_collector_spool_crash import Taker, sealing
folder = Path(sys.argv[1])
def mount(*options):
    subprocess.run(["mount", *options, str(folder)], check=True)
mount("-t", "tmpfs", "-o", "size=256k", "none")
spool, put, taker = Spool(folder / "spool", 10**9), [], Taker()
try:
    while True:
        put.append(spool.put(sealing(os.urandom(20_000))))
except SpoolFullError as error:
    print(error.code, "No space left" in str(error), not list(folder.rglob("*.part")))
assert len(put) > 5
def send(spool):
    link, envelope = spool.next()
    taker.take(envelope)
    spool.receipted(link)
# Somebody else takes every block that is left: bundles are sent all the same, and make room again.
with (folder / "others").open("wb", buffering=0) as others:
    try:
        while True:
            others.write(bytes(512))
    except OSError as error:
        print("the rest:", error.strerror)
while spool.waiting:
    send(spool)
(folder / "others").unlink()
put.append(spool.put(sealing(b"room again")))
mount("-o", "remount,ro")
try:
    spool.put(sealing(b"in vain"))
except SpoolFullError as error:
    print(error.code, "Read-only" in str(error))
try:
    send(spool)
except OSError as error:
    print("read-only:", error.strerror)
try:
    Spool(folder / "spool", 10**9).put(sealing(b"in vain"))
except (SpoolFullError, OSError) as error:
    print("a start on it:", type(error).__name__)
mount("-o", "remount,rw")
spool = Spool(folder / "spool", 10**9)
put.append(spool.put(sealing(b"afterwards")))
while spool.waiting:
    send(spool)
print(set(taker.taken) == {link.digest for link in put}, len(taker.taken) == len(put))
"""


def test_a_disk_that_is_full_then_read_only_then_good(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounting a small disk takes root")
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", SMALL_DISK, str(folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "spool-unwritable True True"
    assert said[1] == "the rest: No space left on device"
    assert "spool-unwritable True" in said[1:]
    assert "read-only: Read-only file system" in said
    assert said[-1] == "True True"
