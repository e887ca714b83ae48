"""What an envelope changes at the centre, and that a refused one changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.enrolment.problems import PROBLEMS
from cyberalarm.central.ingest.models import Envelope, LedgerTotal
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.services import Ingest
    from tests.ingest.ingest_sender import Sender


def pk(sender: Sender) -> int:
    return Collector.objects.get(reference=sender.enrolment.collector).pk


def rows(store: EventStore, sender: Sender) -> int:
    return sum(store.bundle_rows(pk(sender), n) for n in range(1, sender.sequence + 3))


def trace(store: EventStore, sender: Sender) -> tuple[object, ...]:
    """Everything that an envelope changes."""
    files = sorted(p.name for p in (settings.CONFIG.data / "envelopes" / sender.enrolment.collector).glob("*"))
    chain = Chain.objects.get(collector__reference=sender.enrolment.collector)
    totals = list(LedgerTotal.objects.filter(collector=pk(sender)).order_by("pk").values_list())
    envelopes = list(Envelope.objects.filter(collector=pk(sender)).order_by("pk").values_list())
    return store.size()[0], files, chain.sequence, chain.head, totals, envelopes


def refused(receiving: Ingest, store: EventStore, sender: Sender, envelope: bytes) -> str:
    """The code with which an envelope is refused, after making sure that nothing changed."""
    before = trace(store, sender)
    with pytest.raises(CyberAlarmError) as caught:
        receiving.receive(envelope)
    assert trace(store, sender) == before
    assert caught.value.code in PROBLEMS
    return caught.value.code
