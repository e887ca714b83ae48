"""Every key of the system is replaced at a real centre while collectors work, wait or are away: no bundle is lost, none is stored
twice.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central import control
from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import STATUS_PATH, Centre
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.errors import CentreRefusedError
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.envelope import sealing
from cyberalarm.envelope.requests import sign_request
from cyberalarm.envelope.tokens import RegistrationToken
from tests.collector.members import Home, blocked, opened
from tests.collector.processes import cyberalarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cyberalarm.collector.service import Service
    from tests.whole.centres import Provisioned, RealCentre

    Make = Callable[[str], "Collector"]


@dataclass
class Collector:
    """One whose parts are stepped by hand."""

    centre: RealCentre
    provisioned: Provisioned
    home: Home
    parts: ExitStack
    service: Service
    sent: int = 0

    @classmethod
    def make(cls, centre: RealCentre, provisioned: Provisioned, folder: Path, parts: ExitStack) -> Collector:
        home = Home.make(folder)
        enrol(home.config, provisioned.token)
        own = parts.enter_context(ExitStack())
        return cls(centre, provisioned, home, own, own.enter_context(opened(home.config)))

    def bundle(self) -> None:
        self.service._pipeline.take(Chunk("gateway", blocked(self.sent) + b"\n"))
        assert self.service._pipeline.close_bundle()
        self.sent += 1

    def ship(self) -> None:
        """All of it, and the centre has each line once."""
        while (wait := self.service._shipper.step()) is not None:
            assert wait == 0.0, self.service._shipper.progress.trouble
        self.service._shipper._centre.rest()
        self.service._centre.rest()
        assert self.centre.stored()[self.provisioned.member] == self.sent

    def restart(self) -> None:
        """As a process that begins again."""
        self.parts.close()
        self.service = self.parts.enter_context(opened(self.home.config))


@pytest.fixture(scope="module")
def provisioned(real_centre: RealCentre) -> Iterator[Provisioned]:
    """Members' collectors that nobody has enrolled yet."""
    return iter(real_centre.provision(*((f"Member {number}", "kent") for number in range(8))))


@pytest.fixture
def make(real_centre: RealCentre, provisioned: Iterator[Provisioned], tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as parts:
        yield lambda name: Collector.make(real_centre, next(provisioned), tmp_path / name, parts)


def operator(centre: RealCentre, which: str, *, now: bool = False) -> bool:
    """What `central rotate-key` asks of the centre that runs. True when it is done, False when announced."""
    told = control.ask(centre.data, "rotate", which=which, why="A test.", now=now)
    assert isinstance(told, dict)
    return told["due"] is None


def acts(centre: RealCentre, subject: str) -> list[str]:
    return [str(row[0]) for row in centre.query("select action from audit_entry where subject = ?", subject)]


def test_a_collectors_signing_key(real_centre: RealCentre, make: Make) -> None:
    one = make("signing")
    reference = one.provisioned.collector
    thief = identities.signing_key(one.home.data)
    one.bundle()
    one.ship()
    one.bundle()
    (one.home.data / "change-key").touch()
    one.service._ask_status()
    one.bundle()
    waiting = min((one.home.data / "spool").glob("*.env")).read_bytes()
    one.ship()
    one.service._ask_status()
    assert acts(real_centre, f"collector:{reference}") == ["collector-provisioned", "collector-key-changed"]
    keys = real_centre.query(
        "select k.first, k.public_key from enrolment_collectorkey k join members_collector c on c.id = k.collector_id"
        " where c.reference = ? order by k.id",
        reference,
    )
    assert [(row[0], bytes(row[1])) for row in keys] == [  # type: ignore[call-overload]
        (1, thief.public),
        (3, identities.signing_key(one.home.data).public),
    ]
    theirs = Centre(one.service._identity.centre, one.service._identity.pin)
    with pytest.raises(CentreRefusedError) as refused:
        theirs.envelope(waiting)
    assert refused.value.code == "envelope-signature"
    head = one.service._spool.head
    header = sealing.Header(reference, head.sequence + 1, head.digest, 1, 0, 0)
    with pytest.raises(CentreRefusedError) as refused:
        theirs.envelope(sealing.seal(b"", header, one.service._identity.analysis_key, thief))
    assert refused.value.code == "envelope-signature"
    with pytest.raises(CentreRefusedError) as refused:
        theirs.status(sign_request(thief, reference, "GET", STATUS_PATH, b"", int(time.time() * 1000)))
    assert refused.value.code == "request-signature"
    theirs.rest()
    one.bundle()
    one.ship()


def test_the_analysis_key(real_centre: RealCentre, make: Make) -> None:
    one = make("analysis")
    one.bundle()
    before = one.service._identity.analysis_key
    assert operator(real_centre, "analysis")
    one.service._ask_status()
    assert one.service._identity.analysis_key != before
    one.bundle()
    one.ship()
    assert (real_centre.data / "keys" / f"analysis-{before.suite}-{before.key_id}.key").exists()
    assert "centre-key-changed" in acts(real_centre, "key:analysis")


def test_the_receipt_key(real_centre: RealCentre, make: Make) -> None:
    working, away, unsure = make("working"), make("away"), make("unsure")
    old = working.service._identity.receipt_key
    for one in (working, away, unsure):
        one.bundle()
    # Its first bundle is stored, but it has not heard of that: the receipt it will get was signed by the old key.
    _, envelope = unsure.service._spool.next()
    unsure.service._shipper._centre.envelope(envelope)
    unsure.service._shipper._centre.rest()
    assert not operator(real_centre, "receipts")
    working.service._ask_status()
    assert len(working.service._identity.receipt_keys) == 2
    working.ship()
    assert operator(real_centre, "receipts", now=True)
    working.bundle()
    working.ship()
    working.service._ask_status()
    assert working.service._identity.receipt_keys != (old,)
    assert len(working.service._identity.receipt_keys) == 1
    for one in (away, unsure):
        one.restart()
        assert one.service._shipper.step(), "what it does not trust is no receipt"
        assert one.service._spool.waiting == 1
        one.service._ask_status()
        assert one.service._identity.receipt_keys == working.service._identity.receipt_keys
        one.ship()


@pytest.mark.slow
def test_the_certificate(real_centre: RealCentre, make: Make, tmp_path: Path) -> None:
    working, away = make("running"), make("off")
    old = working.service._identity.pin
    command = ("central", "rotate-key", "certificate", "--why", "A test.", "--config", str(real_centre.config))
    told = cyberalarm(*command)
    assert (told.returncode, "is announced. It comes into use by itself on" in told.stdout) == (0, True)
    again = cyberalarm(*command)
    assert (again.returncode, "announced already" in again.stderr) == (3, True)
    [between] = real_centre.provision(("between", "kent"))
    assert RegistrationToken.from_text(between.token).next_pin
    working.service._ask_status()
    assert len(working.service._identity.pins) == 2
    assert operator(real_centre, "certificate", now=True)
    for one in (working, away):
        one.bundle()
    working.ship()
    working.service._ask_status()
    assert working.service._identity.pins != (old,)
    assert len(working.service._identity.pins) == 1
    away.restart()
    assert away.service._shipper.step()
    assert "certificate is not the one" in away.service._shipper.progress.trouble
    away.service._ask_status()
    assert away.service._identity.pins == working.service._identity.pins
    away.ship()
    home = Home.make(tmp_path / "between")
    assert enrol(home.config, between.token).collector == between.collector
    assert acts(real_centre, "key:certificate") == ["centre-key-announced", "centre-key-changed"]


@pytest.mark.slow
def test_all_of_them_while_it_was_away_and_the_centre_starts_again(real_centre: RealCentre, tmp_path: Path) -> None:
    with ExitStack() as parts:
        [fresh] = real_centre.provision(("long-away", "kent"))
        _all_of_them(real_centre, Collector.make(real_centre, fresh, tmp_path / "long-away", parts))


def _all_of_them(real_centre: RealCentre, one: Collector) -> None:
    one.bundle()
    for _ in range(2):
        for key in ("receipts", "certificate"):
            operator(real_centre, key, now=True)
    operator(real_centre, "analysis")
    real_centre.stop()
    real_centre.start()
    one.restart()
    one.service._ask_status()
    one.bundle()
    one.ship()
