"""Envelopes that a real server must refuse, each with its code, changing nothing; and the collector that keeps its own."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.errors import CentreRefusedError
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import _Run, replay
from cyberalarm.envelope import receipts, sealing
from cyberalarm.envelope.keys import AnalysisKey, SigningKey
from cyberalarm.envelope.sealing import Header
from tests.collector.members import Home, blocked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.collector.identity import Identity
    from tests.whole.centres import RealCentre


@dataclass
class Sender:
    """An enrolled collector that seals its bundles itself, rightly or wrongly."""

    home: Home
    identity: Identity
    key: SigningKey
    member: str

    @classmethod
    def make(cls, centre: RealCentre, folder: Path) -> Sender:
        [provisioned] = centre.provision((folder.name, "kent"))
        home = Home.make(folder)
        identity = enrol(home.config, provisioned.token)
        return cls(home, identity, identities.signing_key(home.data), provisioned.member)

    def post(self, envelope: bytes) -> bytes:
        centre = Centre(self.identity.centre, self.identity.pin)
        try:
            return centre.envelope(envelope)
        finally:
            centre.rest()

    def next(self) -> Header:
        """Where the chain goes on, with numbers of an empty bundle."""
        with_chain = json.loads((self.home.data / "spool" / "chain.json").read_text())
        return Header(
            self.identity.collector, with_chain["sequence"] + 1, with_chain["digest"], 1_700_000_000_000, 0, 0
        )

    def seal(self, content: bytes, header: Header, key: SigningKey | None = None) -> bytes:
        return sealing.seal(content, header, self.identity.analysis_key, key or self.key)


@pytest.fixture(scope="module")
def sender(real_centre: RealCentre, tmp_path_factory: pytest.TempPathFactory) -> Sender:
    """It has sent two bundles, and three more wait in its spool."""
    made = Sender.make(real_centre, tmp_path_factory.mktemp("sender") / "sender")
    run = _Run(made.home.config, 5)
    for number in range(5):
        run.pipeline.take(Chunk("gateway", blocked(number) + b"\n"))
        assert run.pipeline.close_bundle()
    assert [run.shipper.step(), run.shipper.step()] == [0.0, 0.0]
    run.shipper._centre.rest()
    return made


def waiting(sender: Sender, place: int) -> bytes:
    return sorted((sender.home.data / "spool").glob("*.env"))[place].read_bytes()


def flipped(envelope: bytes, at: int) -> bytes:
    changed = bytearray(envelope)
    changed[at] ^= 1
    return bytes(changed)


def foreign(sender: Sender) -> bytes:
    """Somebody else's key, our name."""
    return sender.seal(b"", sender.next(), SigningKey.generate())


def sealed_to_another(sender: Sender) -> bytes:
    return sealing.seal(b"", sender.next(), AnalysisKey.generate().public, sender.key)


def spliced(sender: Sender) -> bytes:
    """The ciphertext of a bundle under the header of another, signed anew: a thief of the key still cannot mix them."""
    good = sender.seal(b"x", sender.next())
    changed = good[:-64].replace(b'"lines":0', b'"lines":7')
    return changed + sender.key.sign(b"CyberAlarm envelope v1\0" + changed)


WRONG: dict[str, tuple[str, Callable[[Sender], bytes]]] = {
    "tampered ciphertext": ("envelope-signature", lambda s: flipped(waiting(s, 0), -200)),
    "tampered signature": ("envelope-signature", lambda s: flipped(waiting(s, 0), -1)),
    "tampered header": ("envelope-signature", lambda s: waiting(s, 0).replace(b'"lines":1', b'"lines":2')),
    "reordered": ("chain-gap", lambda s: waiting(s, 1)),
    "replayed number": ("envelope-replayed", lambda s: s.seal(b"", replace(s.next(), sequence=2, previous="ab" * 32))),
    "forked": ("chain-forked", lambda s: s.seal(b"", replace(s.next(), previous="ab" * 32))),
    "foreign": ("envelope-signature", foreign),
    "unknown": ("collector-unknown", lambda s: s.seal(b"", replace(s.next(), collector="c-nobody"))),
    "cut off": ("envelope-malformed", lambda s: waiting(s, 0)[:-10]),
    "followed by something": ("envelope-malformed", lambda s: waiting(s, 0) + b"x"),
    "nothing": ("envelope-malformed", lambda s: b""),
    "noise": ("envelope-malformed", lambda s: bytes(range(256)) * 40),
}
PUT_ASIDE: dict[str, tuple[str, Callable[[Sender], bytes]]] = {
    "sealed to another": ("envelope-key-unknown", sealed_to_another),
    "no bundle inside": ("payload-malformed", lambda s: s.seal(b"noise", s.next())),
    "another header's ciphertext": ("envelope-unopenable", spliced),
}


def picture(centre: RealCentre, sender: Sender) -> tuple[object, ...]:
    """Everything that a refusal must not change."""
    return (
        centre.stored()[sender.member],
        centre.query("select sequence, digest, state from ingest_envelope order by id"),
        centre.query("select sum(received) from ingest_ledgertotal"),
        centre.query("select collector_id, sequence, head from enrolment_chain"),
        sorted(path.name for path in (sender.home.data / "spool").iterdir()),
        sorted(str(path) for path in (centre.data / "envelopes").rglob("*.env")),
    )


@pytest.mark.parametrize("name", WRONG)
def test_refused_with_its_code_and_nothing_changes(real_centre: RealCentre, sender: Sender, name: str) -> None:
    code, make = WRONG[name]
    before = picture(real_centre, sender)
    envelope = make(sender)
    with pytest.raises(CentreRefusedError) as refused:
        sender.post(envelope)
    assert refused.value.code == code
    if code.startswith(("chain", "envelope-replayed")):
        assert refused.value.expected == 3
    assert picture(real_centre, sender) == before


@pytest.mark.parametrize("name", PUT_ASIDE)
def test_what_its_collector_signed_and_nobody_can_store_is_put_aside(
    real_centre: RealCentre, tmp_path: Path, name: str
) -> None:
    """It holds up nothing: what comes behind it is stored, and the same once more has the same answer."""
    code, make = PUT_ASIDE[name]
    other = Sender.make(real_centre, tmp_path / "aside")
    run = _Run(other.home.config, 5)
    run.pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    run.pipeline.close_bundle()
    assert run.shipper.step() == 0.0
    envelope = make(other)
    receipt = receipts.read(other.post(envelope), other.identity.receipt_key)
    assert (receipt.envelope, receipt.rows, receipt.quarantined) == (sealing.digest(envelope), 0, code)
    assert receipts.read(other.post(envelope), other.identity.receipt_key) == receipt
    assert real_centre.stored()[other.member] == 1
    behind = replace(other.next(), sequence=3, previous=sealing.digest(envelope))
    again = receipts.read(other.post(other.seal(b"noise", behind)), other.identity.receipt_key)
    assert (again.sequence, again.quarantined) == (3, "payload-malformed")
    run.shipper._centre.rest()


def test_the_same_envelope_again_gives_the_same_receipt(real_centre: RealCentre, tmp_path: Path) -> None:
    other = Sender.make(real_centre, tmp_path / "twice")
    run = _Run(other.home.config, 5)
    run.pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    run.pipeline.close_bundle()
    envelope = waiting(other, 0)
    first = other.post(envelope)
    before = picture(real_centre, other)
    assert other.post(envelope) == first
    assert picture(real_centre, other) == before
    receipt = receipts.read(first, other.identity.receipt_key)
    assert (receipt.envelope, receipt.rows) == (sealing.digest(envelope), 1)


@pytest.mark.parametrize("part", [0, 100, 2000, -1])
def test_half_sent(real_centre: RealCentre, sender: Sender, part: int) -> None:
    """The connection ends in the middle of the body: nothing is stored, and the server goes on."""
    before = picture(real_centre, sender)
    envelope = waiting(sender, 0)
    where = urlsplit(sender.identity.centre)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the pin is tested elsewhere
    head = (
        f"POST /api/collector/v1/envelopes HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(envelope)}\r\n\r\n"
    )
    with (
        socket.create_connection((str(where.hostname), int(where.port or 443)), 10) as plain,
        context.wrap_socket(plain, server_hostname=where.hostname) as connection,
    ):
        connection.sendall(head.encode() + envelope[:part])
    assert picture(real_centre, sender) == before


def test_afterwards_the_collector_still_sends_what_it_kept(real_centre: RealCentre, sender: Sender) -> None:
    before = real_centre.stored()[sender.member]
    assert replay(sender.home.config, [], on_progress=lambda _: None).unsent == 0
    assert real_centre.stored()[sender.member] == before + 3
