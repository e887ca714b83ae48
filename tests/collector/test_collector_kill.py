"""kill -9 while bundles are put and sent: the chain stays whole, nothing that was spooled is lost, nothing is taken twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.replay import _Run
from cyberalarm.collector.spool import Spool
from cyberalarm.core.addresses import unpack
from tests.collector.processes import environment, wait_for

if TYPE_CHECKING:
    from tests.collector.fake_centre import FakeCentre
    from tests.collector.members import Home

ROUNDS = 20

# Spools one line a bundle, as fast as it can, while the shipper sends; says each number once its bundle is in the spool.
PUT = """
import itertools, sys, time
from pathlib import Path
from cyberalarm.collector.config import load
from cyberalarm.collector.files import only_one
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import _Run
from tests.collector.members import blocked
config = load(Path(sys.argv[1]))
with only_one(config.data):
    run = _Run(config, 60)
    run.shipper.start()
    for number in itertools.count(int(sys.argv[2])):
        run.pipeline.take(Chunk("gateway", blocked(number) + b"\\n"))
        assert run._close()
        print(number, flush=True)
"""


def put_until_killed(home: Home, first: int, seconds: float) -> list[int]:
    """The numbers that were said before the process was killed."""
    command = [sys.executable, "-c", PUT, str(home.path), str(first)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        said = [process.stdout.readline()]
        time.sleep(seconds)
        process.kill()
        said += process.stdout.readlines()
        trouble = process.stderr.read()
    assert said[0], trouble.decode()
    return [int(line) for line in said if line.endswith(b"\n")]


def numbers(centre: FakeCentre) -> list[int]:
    """Which lines are at the centre, from source and port (see `members.blocked`)."""
    found = []
    for row in centre.events():
        octet = int(str(unpack(row["src_ip"])).rpartition(".")[2])  # type: ignore[arg-type]
        assert row["count"] == 1
        found.append((int(row["dst_port"]) - 1) * 250 + octet - 1)  # type: ignore[call-overload]
    return found


@pytest.mark.slow
def test_killed_again_and_again(member: Home, centre: FakeCentre) -> None:
    chance = random.Random(20260309)
    acknowledged: list[int] = []
    tried = 0
    for round_number in range(ROUNDS):
        said = put_until_killed(member, tried, chance.choice([0, 0.01, 0.05, 0.2]) * chance.random())
        acknowledged += said
        # The line that was under way when the kill came may be spooled or not: do not send its number again.
        tried = said[-1] + 2
        spool = Spool(member.data / "spool", member.config.spool_bytes)  # raises when the chain is broken
        assert spool.head.sequence in {len(acknowledged) + extra for extra in range(round_number + 2)}
    run = _Run(member.config, 60)
    run.shipper.start()
    wait_for("everything sent", lambda: not run.spool.waiting)
    run.shipper.stop(10)
    found = numbers(centre)
    assert len(found) == len(set(found)), "a line is there twice"
    assert set(acknowledged) <= set(found), "a line that was spooled is lost"
    assert len(set(found) - set(acknowledged)) <= ROUNDS, "at most the line under way at each kill is unsaid"
    assert [one.sequence for one in centre.taken] == list(range(1, len(centre.taken) + 1))
    assert centre.arrivals - len(centre.taken) <= ROUNDS, "once receipted, a bundle is never sent again"
    assert not list((member.data / "spool").glob("*.env"))
