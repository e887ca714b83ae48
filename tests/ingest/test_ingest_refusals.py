"""A refusal that names a collector we know is kept on its row and logged, with what of it is proven."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.ingest import evidence, refusals
from cyberalarm.central.ingest.models import activity_of
from cyberalarm.central.members.models import Collector
from cyberalarm.central.portal.services import collector_view
from cyberalarm.central.portal.status import State
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import payload
from cyberalarm.envelope.documents import Enrolment, Status
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import EnrolmentRequest, SignedRequest, sign_request
from tests.ingest.ingest_judging import pk
from tests.ingest.ingest_sender import Sender, events, ledger, now_ms, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.ingest.services import Ingest
    from cyberalarm.central.members.models import Site

STATUS = "/api/collector/v1/status"


def row(sender: Sender) -> Collector:
    return Collector.objects.get(pk=pk(sender))


def refused(receiving: Ingest, envelope: bytes) -> str:
    with pytest.raises(CyberAlarmError) as caught:
        receiving.receive(envelope)
    return caught.value.code


@contextmanager
def read_only() -> Iterator[None]:
    """SQLite refuses every write of this thread."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        yield
        cursor.execute("PRAGMA query_only = OFF")


def forged(sender: Sender) -> bytes:
    """In the collector's name, by somebody else's key."""
    content = payload.pack({"d1": ledger(2)}, stream(events(2)))
    return sender.seal_payload(content, sender.header(2, 5), key=SigningKey.generate())


def earlier(sender: Sender, **ages: timedelta) -> None:
    """Move moments on the collector's row into the past."""
    now = timezone.now()
    Collector.objects.filter(pk=pk(sender)).update(**{name: now - age for name, age in ages.items()})


def ask(receiving: Ingest, sender: Sender, key: SigningKey | None = None, at: int | None = None) -> Status:
    headers = sign_request(key or sender.key, sender.enrolment.collector, "GET", STATUS, b"", at or now_ms())
    return Status.read(receiving.status(SignedRequest.read(headers), "GET", STATUS), sender.receipt_key)


def test_a_collector_that_polls_while_its_bundles_are_refused(receiving: Ingest, sender: Sender) -> None:
    """As the review saw it: every bundle refused, every status answered, and the page said that all was well."""
    first = sender.seal(3)
    receiving.receive(first)
    sender.sent(first)
    assert collector_view(row(sender), timezone.now()).state is State.RECEIVING
    with capture_logs() as logs:
        assert refused(receiving, sender.seal(2, lines=99)) == "header-mismatch"
    name = sender.enrolment.collector
    assert [(e["log_level"], e["collector"], e["code"], e["proven"]) for e in logs if e["event"] == "collector.refused"] == [
        ("warning", name, "header-mismatch", True)
    ]  # fmt: skip
    ask(receiving, sender)
    view = collector_view(row(sender), timezone.now())
    assert view.state is State.REFUSED
    assert "header-mismatch" in view.words.text
    receiving.receive(sender.seal(2))
    assert collector_view(row(sender), timezone.now()).state is State.RECEIVING


def test_a_forgery_is_only_claimed_and_does_not_turn_the_page(receiving: Ingest, sender: Sender) -> None:
    receiving.receive(sender.seal(3))
    with capture_logs() as logs:
        assert refused(receiving, forged(sender)) == "envelope-signature"
    assert [e["proven"] for e in logs if e["event"] == "collector.refused"] == [False]
    kept = row(sender)
    assert (kept.refused_code, kept.refused_proven) == ("envelope-signature", False)
    assert collector_view(kept, timezone.now()).state is State.RECEIVING


def test_a_lost_key_is_told_where_nothing_is_receipted(receiving: Ingest, sender: Sender) -> None:
    assert refused(receiving, forged(sender)) == "envelope-signature"
    view = collector_view(row(sender), timezone.now())
    assert view.state is State.REFUSED
    assert "could not prove it" in view.words.text


def test_a_claim_does_not_hide_what_is_proven(receiving: Ingest, sender: Sender) -> None:
    refused(receiving, sender.seal(2, lines=99))
    earlier(sender, refused_at=timedelta(minutes=30), refused_since=timedelta(minutes=40))
    refused(receiving, forged(sender))
    assert row(sender).refused_code == "header-mismatch"
    earlier(sender, refused_at=timedelta(hours=2), refused_since=timedelta(hours=3))
    refused(receiving, forged(sender))
    assert row(sender).refused_code == "envelope-signature"


def test_since_when_goes_on_until_something_is_receipted(receiving: Ingest, sender: Sender) -> None:
    refused(receiving, sender.seal(2, lines=99))
    earlier(sender, refused_at=timedelta(minutes=1), refused_since=timedelta(hours=5))
    began = row(sender).refused_since
    refused(receiving, sender.seal(2, events=3))
    assert row(sender).refused_since == began
    receiving.receive(sender.seal(2))
    earlier(sender, refused_at=timedelta(minutes=1))
    refused(receiving, sender.seal(2))
    kept = row(sender)
    assert kept.refused_since is not None
    assert began is not None
    # Receipted a moment ago, refused a minute ago: what is refused now is another row of refusals.
    assert kept.refused_since == kept.refused_at
    assert kept.refused_since > began


def test_a_flood_of_refusals_is_no_flood_of_writes(receiving: Ingest, sender: Sender) -> None:
    refused(receiving, sender.seal(2, lines=99))
    first = row(sender).refused_at
    for _ in range(5):
        refused(receiving, sender.seal(2, events=3))
    assert (row(sender).refused_at, row(sender).refused_code) == (first, "header-mismatch")
    earlier(sender, refused_at=refusals.NOT_OFTENER)
    refused(receiving, sender.seal(2, events=3))
    assert row(sender).refused_at != first


@pytest.mark.parametrize("status", [Collector.Status.STOPPED, Collector.Status.REVOKED])
def test_the_centres_own_decision_is_no_refusal(receiving: Ingest, sender: Sender, status: str) -> None:
    Collector.objects.filter(pk=pk(sender)).update(status=status)
    with capture_logs() as logs:
        assert refused(receiving, sender.seal(1)) == f"collector-{status}"
    assert [e["code"] for e in logs if e["event"] == "collector.refused"] == [f"collector-{status}"]
    assert row(sender).refused_at is None


def test_a_refused_status_request_is_noted(receiving: Ingest, sender: Sender) -> None:
    with pytest.raises(CyberAlarmError):
        ask(receiving, sender, at=now_ms() - 10 * 60 * 1000)
    kept = row(sender)
    assert (kept.refused_code, kept.refused_proven) == ("request-time", False)


def test_strangers_leave_no_note(receiving: Ingest, sender: Sender) -> None:
    with capture_logs() as logs:
        assert refused(receiving, sender.seal(2, collector="c-nobody")) == "collector-unknown"
        assert refused(receiving, b"noise") == "envelope-malformed"
    assert [e for e in logs if e["event"] == "collector.refused"] == []


def test_a_note_that_cannot_be_written_is_shown_all_the_same(receiving: Ingest, sender: Sender) -> None:
    """The relational database refuses to write, as on a full disk, and reads go on."""
    receiving.receive(sender.seal(2))
    with read_only(), capture_logs() as logs:
        assert refused(receiving, sender.seal(3)) == "envelope-replayed"
        view = collector_view(row(sender), timezone.now())
    assert "collector.refusal_unwritten" in [e["event"] for e in logs]
    assert row(sender).refused_at is None
    assert view.state is State.REFUSED
    assert "envelope-replayed" in view.words.text
    refusals._unwritten.clear()
    refused(receiving, sender.seal(3))
    assert row(sender).refused_code == "envelope-replayed"
    assert pk(sender) not in refusals._unwritten


def test_a_full_disk_is_our_fault_and_told_as_such(
    receiving: Ingest, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(evidence, "keep", full)
        assert refused(receiving, sender.seal(2)) == "store-unavailable"
    view = collector_view(row(sender), timezone.now())
    assert view.state is State.REFUSED
    assert "You need do nothing" in view.words.text
    receiving.receive(sender.seal(2))
    assert collector_view(row(sender), timezone.now()).state is State.RECEIVING


def test_enrolling_anew_forgets_the_refusals_and_keeps_the_stop(
    receiving: Ingest, sender: Sender, operator: User
) -> None:
    refused(receiving, sender.seal(2, lines=99))
    enrolment.stop(row(sender), operator, "looks odd")
    token = enrolment.renew_token(row(sender), operator)
    key = SigningKey.generate()
    again = Enrolment.read(enrolment.enrol(EnrolmentRequest.new(token, key, "0.1.0", "linux")))
    kept = row(sender)
    assert (kept.status, kept.refused_code, kept.refused_since) == (Collector.Status.STOPPED, None, None)
    assert refused(receiving, Sender(again, key).seal(1)) == "collector-stopped"
    assert ask(receiving, sender, key).stop
    enrolment.resume(kept, None, "was a test")
    assert not ask(receiving, sender, key).stop
    receiving.receive(Sender(again, key).seal(1))


def test_a_refused_token_names_its_collector(operator: User, site: Site) -> None:
    collector, token = enrolment.provision(site, "Collector", operator)
    enrolment.enrol(EnrolmentRequest.new(token, SigningKey.generate(), "0.1.0", "linux"))
    with capture_logs() as logs, pytest.raises(CyberAlarmError):
        enrolment.enrol(EnrolmentRequest.new(token, SigningKey.generate(), "0.1.0", "linux"))
    told = [(e["log_level"], e["collector"], e["code"]) for e in logs if e["event"] == "collector.refused"]
    assert told == [("warning", collector.reference, "token-used")]


def test_a_member_that_leaves_is_not_taken_from(
    receiving: Ingest, new_sender: Callable[[], Sender], operator: User, site: Site
) -> None:
    one, other = new_sender(), new_sender()
    enrolment.end_membership(site.member, operator, "moved away")
    assert {refused(receiving, sender.seal(1)) for sender in (one, other)} == {"collector-revoked"}
    with pytest.raises(CyberAlarmError) as caught:
        enrolment.end_membership(site.member, operator, "again")
    assert caught.value.code == "act-refused"
    with pytest.raises(CyberAlarmError):
        enrolment.stop(row(one), None, "  ")


def test_the_newest_envelope_and_the_newest_lines(receiving: Ingest, sender: Sender) -> None:
    assert activity_of([pk(sender)])[pk(sender)].envelope is None
    first = sender.seal(2)
    receiving.receive(first)
    sender.sent(first)
    with_lines = activity_of([pk(sender)])[pk(sender)]
    assert with_lines.envelope == with_lines.lines is not None
    empty = sender.seal_table(events(0), {})
    receiving.receive(empty)
    after = activity_of([pk(sender)])[pk(sender)]
    assert after.lines == with_lines.lines
    assert after.envelope is not None
    assert after.envelope > after.lines
