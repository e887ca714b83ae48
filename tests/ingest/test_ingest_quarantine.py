"""What fails after its signature: put aside with its reason and its place in the chain, counted nowhere; bounded; people decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils import timezone

from cyberalarm.central.alarms import services as alarms
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.ingest import checks, evidence, quarantine
from cyberalarm.central.ingest.errors import NotHeldError
from cyberalarm.central.ingest.models import Envelope, LedgerTotal, Quarantined
from cyberalarm.central.ingest.services import Ingest
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import payload, receipts, sealing
from cyberalarm.envelope.keys import AnalysisKey, Suite
from tests.ingest.ingest_client import API, code
from tests.ingest.ingest_judging import pk, refused, rows
from tests.ingest.ingest_sender import Sender, events, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.envelope.receipts import Receipt

FOLDER = evidence.folder_of(settings.CONFIG.data)


def send(receiving: Ingest, sender: Sender, envelope: bytes) -> Receipt:
    receipt = receipts.read(receiving.receive(envelope, reads_words=True), sender.receipt_key)
    assert (receipt.envelope, receipt.sequence) == (sealing.digest(envelope), sender.sequence)
    sender.sent(envelope)
    return receipt


def unbalanced(sender: Sender) -> bytes:
    return sender.seal_payload(payload.pack({}, stream(events(2))), sender.header(2, 0))


def sealed_to_nobody(sender: Sender) -> bytes:
    return sealing.seal(b"", sender.header(0, 0), AnalysisKey.generate(Suite.HYBRID).public, sender.key)


def held_of(sender: Sender) -> Quarantined:
    return Quarantined.objects.select_related("envelope__collector").get(envelope__collector=pk(sender))


@pytest.mark.parametrize(
    ("make", "why"), [(unbalanced, "ledger-unbalanced"), (sealed_to_nobody, "envelope-key-unknown")]
)
def test_it_is_put_aside_and_holds_nothing_behind_it(
    receiving: Ingest, store: EventStore, sender: Sender, make: Callable[[Sender], bytes], why: str
) -> None:
    send(receiving, sender, sender.seal(3))
    bad = make(sender)
    receipt = send(receiving, sender, bad)
    assert (receipt.quarantined, receipt.rows) == (why, 0)
    assert send(receiving, sender, sender.seal(4)).quarantined == ""
    assert (Chain.objects.get(collector=pk(sender)).sequence, rows(store, sender)) == (3, 7)
    assert LedgerTotal.objects.get(collector=pk(sender)).kept == 7, "its ledger is counted nowhere"
    held = held_of(sender)
    assert (held.code, held.state, held.envelope.sequence) == (why, "held", 2)
    assert evidence.path_of(FOLDER, sender.enrolment.collector, 2).read_bytes() == bad
    again = receipts.read(receiving.receive(bad, reads_words=True), sender.receipt_key)
    assert again == receipt, "the same envelope, the same word"


def test_who_does_not_read_the_word_is_refused_as_before(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    bad = unbalanced(sender)
    assert refused(receiving, store, sender, bad) == "ledger-unbalanced"
    send(receiving, sender, bad)
    assert refused(receiving, store, sender, bad) == "ledger-unbalanced", "also when it is put aside already"


def test_collectors_say_over_http_that_they_read_it(client: urllib3.HTTPSConnectionPool, sender: Sender) -> None:
    bad = unbalanced(sender)
    assert code(client.request("POST", API + "envelopes", body=bad)) == "ledger-unbalanced"
    answer = client.request(
        "POST", API + "envelopes", body=bad, headers={receipts.READS_HEADER: receipts.READS_QUARANTINED}
    )
    assert receipts.read(answer.data, sender.receipt_key).quarantined == "ledger-unbalanced"


def test_what_is_not_proven_or_out_of_its_place_is_never_put_aside(
    receiving: Ingest, store: EventStore, sender: Sender, new_sender: Callable[[], Sender]
) -> None:
    forged = new_sender()
    forged.key = sender.key
    ahead = sender.seal_payload(b"", sender.header(0, 0).__class__(sender.enrolment.collector, 5, "a" * 64, 1, 0, 0))
    for envelope, why in ((unbalanced(forged), "envelope-signature"), (ahead, "chain-gap")):
        with pytest.raises(CyberAlarmError) as caught:
            receiving.receive(envelope, reads_words=True)
        assert caught.value.code == why
    assert not Quarantined.objects.filter(envelope__collector__in=[pk(sender), pk(forged)]).exists()


@pytest.mark.parametrize("bound", ["MOST_OF_COLLECTOR", "MOST_BYTES_OF_COLLECTOR", "MOST_BYTES"])
def test_no_collector_fills_the_disk(
    receiving: Ingest, sender: Sender, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    first = unbalanced(sender)
    everything = sum(Envelope.objects.filter(quarantined__isnull=False).values_list("size", flat=True))
    room = {"MOST_OF_COLLECTOR": 1, "MOST_BYTES_OF_COLLECTOR": len(first), "MOST_BYTES": everything + len(first)}
    monkeypatch.setattr(quarantine, bound, room[bound])
    assert send(receiving, sender, first).quarantined
    with pytest.raises(CyberAlarmError) as caught:
        receiving.receive(unbalanced(sender), reads_words=True)
    assert caught.value.code == "ledger-unbalanced"
    assert not evidence.path_of(FOLDER, sender.enrolment.collector, 2).exists()
    assert Chain.objects.get(collector=pk(sender)).sequence == 1


def test_what_the_centre_was_wrong_about_is_stored_once_when_it_is_released(
    receiving: Ingest, store: EventStore, sender: Sender, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "HIGHEST_SEVERITY", -1)
    lawful = sender.seal(6)
    assert send(receiving, sender, lawful).quarantined == "events-severity"
    quarantine.ask(held_of(sender), operator, "The rule was too strict.")
    assert receiving.keeper.release_asked() == 0
    assert (held_of(sender).state, rows(store, sender)) == ("held", 0), "not mended yet"
    monkeypatch.undo()
    send(receiving, sender, sender.seal(1))
    quarantine.ask(held_of(sender), operator, "The rule is mended.")
    assert receiving.keeper.release_asked() == 1
    assert receiving.keeper.release_asked() == 0
    assert (held_of(sender).state, rows(store, sender)) == ("released", 7)
    assert (Chain.objects.get(collector=pk(sender)).sequence, LedgerTotal.objects.get(collector=pk(sender)).kept) == (
        2,
        7,
    )
    receipt = receipts.read(receiving.receive(lawful), sender.receipt_key)
    assert (receipt.quarantined, receipt.rows) == ("", 6)
    with pytest.raises(NotHeldError):
        quarantine.discard(held_of(sender), operator, "Too late.", FOLDER)
    told = Entry.objects.filter(subject=f"collector:{sender.enrolment.collector}/1").values_list("action", "why")
    assert list(told) == [
        (Action.QUARANTINE_RELEASED, "The rule is mended."),
        (Action.QUARANTINE_RELEASED, "The rule was too strict."),
    ]


def test_what_is_discarded_is_gone_and_stays_on_record(receiving: Ingest, sender: Sender, operator: User) -> None:
    send(receiving, sender, unbalanced(sender))
    quarantine.discard(held_of(sender), operator, "Not worth it.", FOLDER)
    assert not evidence.path_of(FOLDER, sender.enrolment.collector, 1).exists()
    assert (held_of(sender).state, Envelope.objects.get(collector=pk(sender)).state) == ("discarded", "quarantined")
    assert Entry.objects.filter(action=Action.QUARANTINE_DISCARDED).exists()


def test_its_alarm_stands_until_somebody_has_decided(receiving: Ingest, sender: Sender, operator: User) -> None:
    send(receiving, sender, unbalanced(sender))
    now = timezone.now()
    alarms.evaluate(now, now)
    alarm = Alarm.objects.get(collector=pk(sender), kind="quarantined", ended__isnull=True)
    assert (alarm.value, alarm.code) == (1, "ledger-unbalanced")
    quarantine.discard(held_of(sender), operator, "Not worth it.", FOLDER)
    alarms.evaluate(timezone.now(), now)
    assert not Alarm.objects.filter(collector=pk(sender), kind="quarantined", ended__isnull=True).exists()


@pytest.fixture
def picky(store: EventStore) -> Iterator[EventStore]:
    """An engine that refuses one value that is lawful."""
    with store._client() as client:
        client.command("alter table events add constraint picky check count != 666")
    yield store
    with store._client() as client:
        client.command("alter table events drop constraint picky")


def test_one_envelope_that_the_engine_refuses_is_found_among_others(
    picky: EventStore, new_sender: Callable[[], Sender]
) -> None:
    good, poisonous = new_sender(), new_sender()
    receiving = Ingest(settings.CONFIG, picky, centre_keys(settings.CONFIG))
    envelopes = {id(good): good.seal(5), id(poisonous): poisonous.seal_table(events(2, count=666))}
    # Both in one group: they wait before the thread starts that stores.
    waiting = [_bundle(receiving, sender, envelopes[id(sender)]) for sender in (good, poisonous)]
    receiving.start()
    assert all(isinstance(future.exception(60), CyberAlarmError) for future in waiting)
    answers: dict[int, Receipt] = {}
    for _ in range(8):
        for sender in (good, poisonous):
            if id(sender) not in answers:
                try:
                    receipt = receiving.receive(envelopes[id(sender)], reads_words=True)
                except CyberAlarmError as error:
                    assert error.code in {"busy", "store-unavailable"}  # noqa: PT017
                else:
                    answers[id(sender)] = receipts.read(receipt, sender.receipt_key)
    receiving.stop()
    assert (answers[id(good)].quarantined, answers[id(poisonous)].quarantined) == ("", "store-refused")
    assert (rows(picky, good), rows(picky, poisonous)) == (5, 0)


def _bundle(receiving: Ingest, sender: Sender, envelope: bytes):  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime

    from cyberalarm.central.enrolment.services import speaking_collector
    from cyberalarm.central.ingest.bundles import open_envelope
    from cyberalarm.central.ingest.services import sender_of

    collector = speaking_collector(sender.enrolment.collector)
    evidence.keep(FOLDER, collector.reference, 1, envelope)
    bundle = open_envelope(
        envelope,
        sealing.read_header(envelope),
        sealing.digest(envelope),
        sender_of(collector, reads_words=True),
        centre_keys(settings.CONFIG).analysis,
        datetime.now(UTC),
    )
    return receiving._submit(bundle)
