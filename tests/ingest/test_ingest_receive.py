"""Every way in which an envelope may be wrong, against the real store: what is refused leaves no trace."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.ingest import evidence
from cyberalarm.central.ingest.models import Envelope, LedgerTotal
from cyberalarm.central.ingest.services import Ingest
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import payload, receipts, sealing
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from tests.ingest.ingest_judging import pk, refused, rows, trace
from tests.ingest.ingest_sender import Sender, events, ledger, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.central.events.store import EventStore


@pytest.mark.parametrize("suite", list(Suite))
def test_a_good_envelope_is_stored_receipted_kept_and_counted(
    receiving: Ingest, store: EventStore, sender: Sender, suite: Suite
) -> None:
    sender.suite = suite
    for size in (5, 0, 7):
        envelope = sender.seal(size)
        receipt = receipts.read(receiving.receive(envelope), sender.receipt_key)
        assert receipt.envelope == sealing.digest(envelope)
        assert (receipt.collector, receipt.sequence) == (sender.enrolment.collector, sender.sequence)
        assert receipt.rows == store.bundle_rows(pk(sender), sender.sequence) == size
        kept = evidence.path_of(settings.CONFIG.data / "envelopes", receipt.collector, receipt.sequence)
        assert kept.read_bytes() == envelope
        sender.sent(envelope)
    total = LedgerTotal.objects.get(collector=pk(sender), device="d1")
    assert (total.received, total.kept, total.routine) == (12 + 9, 12, 9)
    assert total.ledger().balanced
    assert Collector.objects.get(pk=pk(sender)).last_seen is not None
    last = Envelope.objects.get(collector=pk(sender), sequence=3)
    assert (last.state, last.rows, last.lines) == ("stored", 7, 10)
    assert last.device_ledgers() == {"d1": ledger(7)}


def test_rows_carry_their_origin(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    receiving.receive(sender.seal(3))
    with store._client() as client:
        found = client.query(
            "select distinct member, collector, sequence, force, region, device from events"
            f" where collector = {pk(sender)}"
        ).result_rows
    member = Collector.objects.get(pk=pk(sender)).site.member
    assert [tuple(r) for r in found] == [(member.pk, pk(sender), 1, "kent", member.region, "d1")]


def test_the_same_envelope_again_gives_the_same_receipt(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    envelope = sender.seal(4)
    first = receiving.receive(envelope)
    before = trace(store, sender)
    assert receiving.receive(envelope) == first
    assert trace(store, sender) == before


def test_the_same_envelope_many_times_at_once_is_stored_once(
    receiving: Ingest, store: EventStore, sender: Sender
) -> None:
    envelope = sender.seal(50)
    together = threading.Barrier(12)

    def post(_: int) -> bytes:
        together.wait()
        return receiving.receive(envelope)

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(post, range(12)))
    assert len(answers) == 1
    assert store.bundle_rows(pk(sender), 1) == 50
    assert Envelope.objects.filter(collector=pk(sender)).count() == 1
    assert LedgerTotal.objects.get(collector=pk(sender)).kept == 50


def test_envelopes_in_flight_together_keep_their_order(
    receiving: Ingest, store: EventStore, new_sender: Callable[[], Sender]
) -> None:
    """Three collectors, eight envelopes each, posted all at once and again until each has its receipt."""
    senders = [new_sender() for _ in range(3)]
    sealed: list[bytes] = []
    for sender in senders:
        for _ in range(8):
            envelope = sender.seal(6)
            sealed.append(envelope)
            sender.sent(envelope)

    def deliver(envelope: bytes) -> int:
        for _ in range(400):
            try:
                return receipts.read(receiving.receive(envelope), senders[0].receipt_key).sequence
            except CyberAlarmError as error:
                assert error.code in ("chain-gap", "busy")  # noqa: PT017
                threading.Event().wait(0.02)
        raise AssertionError("never accepted")

    with ThreadPoolExecutor(8) as pool:
        answered = sorted(pool.map(deliver, reversed(sealed)))
    assert answered == sorted(list(range(1, 9)) * 3)
    for sender in senders:
        assert rows(store, sender) == 48
        chain = Chain.objects.get(collector=pk(sender))
        assert (chain.sequence, chain.head) == (8, sender.previous)
        assert LedgerTotal.objects.get(collector=pk(sender)).kept == 48


@bounds(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(receiving: Ingest, store: EventStore, sender: Sender, at: int, bit: int) -> None:
    envelope = bytearray(sender.seal(3))
    envelope[at % len(envelope)] ^= 1 << bit
    code = refused(receiving, store, sender, bytes(envelope))
    assert code in {
        "envelope-malformed",
        "envelope-version",
        "envelope-suite",
        "envelope-signature",
        "collector-unknown",
    }


@bounds(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=300))
def test_noise_is_refused(receiving: Ingest, store: EventStore, sender: Sender, noise: bytes) -> None:
    assert refused(receiving, store, sender, noise) == "envelope-malformed"
    assert refused(receiving, store, sender, b"CAE1" + noise) == "envelope-malformed"


def test_half_an_envelope_is_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    envelope = sender.seal(3)
    for length in (0, 3, 40, len(envelope) // 2, len(envelope) - 1):
        assert refused(receiving, store, sender, envelope[:length]) == "envelope-malformed"
    assert refused(receiving, store, sender, envelope + b"\0") == "envelope-malformed"


def test_an_over_long_envelope_is_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    envelope = bytes(sealing.MAX_ENVELOPE + 1)
    assert refused(receiving, store, sender, envelope) == "envelope-too-large"


def test_another_collectors_key_is_refused(
    receiving: Ingest, store: EventStore, new_sender: Callable[[], Sender]
) -> None:
    one, other = new_sender(), new_sender()
    content = payload.pack({"d1": ledger(2)}, stream(events(2)))
    forged = one.seal_payload(content, one.header(2, 5), key=other.key)
    assert refused(receiving, store, one, forged) == "envelope-signature"
    nobody = one.seal(2, collector="c-nobody")
    assert refused(receiving, store, one, nobody) == "collector-unknown"


def test_reordered_and_replayed_envelopes_are_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    first = sender.seal(2)
    other_first = sender.seal(3)
    sender.sent(first)
    second = sender.seal(2)
    before_gap = trace(store, sender)
    with pytest.raises(CyberAlarmError) as caught:
        receiving.receive(second)
    assert (caught.value.code, getattr(caught.value, "expected", None)) == ("chain-gap", 1)
    assert trace(store, sender) == before_gap
    receiving.receive(first)
    assert refused(receiving, store, sender, other_first) == "envelope-replayed"
    assert refused(receiving, store, sender, sender.seal(2, previous="a" * 64)) == "chain-forked"
    receiving.receive(second)
    assert rows(store, sender) == 4


@pytest.mark.parametrize(
    ("status", "code"),
    [(Collector.Status.REVOKED, "collector-revoked"), (Collector.Status.STOPPED, "collector-stopped")],
)
def test_a_revoked_or_stopped_collector_is_refused(
    receiving: Ingest, store: EventStore, sender: Sender, status: str, code: str
) -> None:
    Collector.objects.filter(pk=pk(sender)).update(status=status)
    assert refused(receiving, store, sender, sender.seal(1)) == code


def test_an_unknown_centre_key_is_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    strange = AnalysisKey.generate(Suite.CLASSIC).public
    envelope = sealing.seal(b"", sender.header(0, 0), strange, sender.key)
    assert refused(receiving, store, sender, envelope) == "envelope-key-unknown"


def test_a_ciphertext_under_another_header_is_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    """Signed again by the right collector, but sealed under another header: only `info` can tell."""
    envelope = sender.seal(2)
    changed = envelope.replace(b'"events":2', b'"events":3')
    body = changed[:-64]
    resigned = body + sender.key.sign(b"CyberAlarm envelope v1\0" + body)
    assert refused(receiving, store, sender, resigned) == "envelope-unopenable"


def test_a_header_that_counts_differently_is_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    assert refused(receiving, store, sender, sender.seal(2, events=3)) == "header-mismatch"
    assert refused(receiving, store, sender, sender.seal(2, lines=99)) == "header-mismatch"


def test_after_a_refusal_the_chain_goes_on(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    assert refused(receiving, store, sender, sender.seal(2, lines=99)) == "header-mismatch"
    receiving.receive(sender.seal(2))
    assert store.bundle_rows(pk(sender), 1) == 2


def test_a_lost_key_and_a_new_enrolment_continue_the_chain(
    receiving: Ingest, store: EventStore, sender: Sender, operator: object
) -> None:
    from cyberalarm.central.enrolment import services as enrolment
    from cyberalarm.envelope.documents import Enrolment
    from cyberalarm.envelope.requests import EnrolmentRequest

    envelope = sender.seal(2)
    receiving.receive(envelope)
    token = enrolment.renew_token(Collector.objects.get(pk=pk(sender)), operator)  # type: ignore[arg-type]
    key = SigningKey.generate()
    again = Enrolment.read(enrolment.enrol(EnrolmentRequest.new(token, key, "0.1.0", "linux")))
    assert (again.next_sequence, again.previous) == (2, sealing.digest(envelope))
    renewed = Sender(again, key, again.next_sequence, again.previous)
    receiving.receive(renewed.seal(3))
    assert (
        refused(receiving, store, renewed, replace(sender, sequence=3).seal(1, previous="b" * 64))
        == "envelope-signature"
    )


def test_evidence_is_private(receiving: Ingest, sender: Sender) -> None:
    receiving.receive(sender.seal(1))
    path: Path = evidence.path_of(settings.CONFIG.data / "envelopes", sender.enrolment.collector, 1)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("step", ["recorded", "inserted", "finished"])
def test_a_failure_while_storing_is_told_and_completed(store: EventStore, sender: Sender, step: str) -> None:
    """The disk is full, say, for one group; then all is well again, and what was begun is completed before anything else."""
    failures = [1]

    def fail(name: str) -> None:
        if name == step and failures[0]:
            failures[0] -= 1
            raise OSError(28, "No space left on device")

    failing = Ingest(settings.CONFIG, store, centre_keys(settings.CONFIG), fail)
    failing.start()
    envelope = sender.seal(6)
    answers = []
    for _ in range(3):
        try:
            answers.append(receipts.read(failing.receive(envelope), sender.receipt_key).rows)
        except CyberAlarmError as error:
            answers.append(error.code)
    failing.stop()
    assert answers == ["store-unavailable", 6, 6]
    assert store.bundle_rows(pk(sender), 1) == 6
    assert LedgerTotal.objects.get(collector=pk(sender)).kept == 6
