"""What fails after its signature was verified is put aside for an analyst, and no longer holds what comes behind it.

Invariants
- What is put aside is proven to be its collector's and continues its chain. Its original is kept, its rows and ledgers count
  nowhere.
- A collector has at most `MOST_OF_COLLECTOR` envelopes and `MOST_BYTES_OF_COLLECTOR` put aside, all together `MOST_BYTES`. What is
  beyond is refused, as for a collector that does not read the word: it waits in the spool, on the disk of who sent it.
- Only people decide: to try again, as after the centre was mended, or to discard. Both are audited. Trying again is done by a
  process that stores envelopes; what fails once more stays, with its new reason.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models import Count, Min, Sum

from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.enrolment.services import milliseconds
from cyberalarm.central.ingest import evidence, figures
from cyberalarm.central.ingest.bundles import Sender, sealed_time
from cyberalarm.central.ingest.chain import check_chain
from cyberalarm.central.ingest.errors import BusyError, NotHeldError
from cyberalarm.central.ingest.hearing import sealed_at
from cyberalarm.central.ingest.models import Envelope, Quarantined
from cyberalarm.central.members.models import Collector
from cyberalarm.envelope import receipts
from cyberalarm.envelope.receipts import Receipt

if TYPE_CHECKING:
    from pathlib import Path

    from django.db.models import QuerySet

    from cyberalarm.central.accounts.models import User
    from cyberalarm.core.errors import CyberAlarmError
    from cyberalarm.envelope.keys import SigningKey
    from cyberalarm.envelope.sealing import Header

log = structlog.get_logger(__name__)

MOST_OF_COLLECTOR = 50
MOST_BYTES_OF_COLLECTOR = 128 * 1024 * 1024  # two of the longest envelopes; thousands of usual ones
MOST_BYTES = 8 * 1024 * 1024 * 1024
_LONGEST_REASON = 300
_OPEN = (Quarantined.State.HELD, Quarantined.State.ASKED)


def has_room(collector: int, size: int) -> bool:
    """May so many bytes more be put aside for this collector?"""
    held = Quarantined.objects.filter(state__in=_OPEN)
    own = held.filter(envelope__collector=collector).aggregate(count=Count("pk"), size=Sum("envelope__size"))
    everything = held.aggregate(size=Sum("envelope__size"))["size"] or 0
    return (
        own["count"] < MOST_OF_COLLECTOR
        and (own["size"] or 0) + size <= MOST_BYTES_OF_COLLECTOR
        and everything + size <= MOST_BYTES
    )


def put_aside(sender: Sender, header: Header, digest: str, size: int, why: CyberAlarmError, key: SigningKey) -> bytes:
    """Give an envelope whose original is kept its place in the chain, and its collector the word for it.

    Raises what `check_chain` raises, BusyError, and `why` itself where there is no room.
    """
    now = datetime.now(UTC)
    receipt = receipts.issue(
        Receipt(digest, header.collector, header.sequence, 0, milliseconds(now), quarantined=why.code), key
    )
    with transaction.atomic():
        chain = Chain.objects.select_for_update().get(pk=sender.collector)
        if Envelope.objects.filter(collector=sender.collector, state=Envelope.State.STORING).exists():
            raise BusyError("The envelope before it is still being stored.", next_step="Send it again in a moment.")
        check_chain(header, chain.sequence, chain.head)
        if not has_room(sender.collector, size):
            raise why
        envelope = Envelope.objects.create(
            collector_id=sender.collector,
            sequence=header.sequence,
            digest=digest,
            state=Envelope.State.QUARANTINED,
            sealed=sealed_time(header),
            received=now,
            rows=0,
            lines=header.lines,
            size=size,
            ledgers={},
            receipt=receipt,
        )
        Quarantined.objects.create(envelope=envelope, code=why.code, reason=why.what[:_LONGEST_REASON], at=now)
        chain.sequence, chain.head, chain.received = header.sequence, digest, now
        chain.sealed = sealed_at(header.sealed, sender.clock_offset, now)
        chain.save()
        Collector.objects.filter(pk=sender.collector).update(last_seen=now)
    figures.PUT_ASIDE.labels(why.code).inc()
    figures.ENVELOPES.labels("quarantined").inc()
    log.warning("ingest.quarantined", collector=header.collector, code=why.code)
    return receipt


def listed(collectors: QuerySet[Collector]) -> QuerySet[Quarantined]:
    """What of these collectors waits for a decision, the newest first."""
    held = Quarantined.objects.filter(state__in=_OPEN, envelope__collector__in=collectors)
    return held.select_related("envelope__collector__site__member")


def standing_of(collectors: QuerySet[Collector]) -> dict[int, tuple[int, datetime, str]]:
    """How many envelopes of each of these collectors are put aside, since when, and the first code of why. Others are left out."""
    held = Quarantined.objects.filter(state__in=_OPEN, envelope__collector__in=collectors).order_by()
    rows = held.values_list("envelope__collector").annotate(count=Count("pk"), since=Min("at"), why=Min("code"))
    return {collector: (count, since, why) for collector, count, since, why in rows}


def ask(held: Quarantined, by: User | None, why: str) -> None:
    """Have it tried again. Raises NotHeldError."""
    _decide(held, Quarantined.State.ASKED, Action.QUARANTINE_RELEASED, by, why)


def discard(held: Quarantined, by: User | None, why: str, folder: Path) -> None:
    """Let it go for good, original and all; that it was there stays on record. Raises NotHeldError."""
    _decide(held, Quarantined.State.DISCARDED, Action.QUARANTINE_DISCARDED, by, why)
    evidence.drop(folder, held.envelope.collector.reference, held.envelope.sequence)


def downloaded(held: Quarantined, by: User | None) -> None:
    """Somebody takes the sealed original with them."""
    audit.record(by, Action.QUARANTINE_DOWNLOADED, _subject(held))


def _decide(held: Quarantined, state: Quarantined.State, action: Action, by: User | None, why: str) -> None:
    with transaction.atomic():
        waiting = Quarantined.objects.filter(pk=held.pk, state__in=_OPEN)
        if not waiting.update(state=state, decided=datetime.now(UTC)):
            raise NotHeldError("Somebody has decided about this bundle already.", next_step="Load the page again.")
        audit.record(by, action, _subject(held), why)


def _subject(held: Quarantined) -> str:
    return f"collector:{held.envelope.collector.reference}/{held.envelope.sequence}"


def asked(most: int) -> list[Quarantined]:
    """What is to be tried again, oldest decision first; nobody else tries it until this transaction ends."""
    found = Quarantined.objects.filter(state=Quarantined.State.ASKED, envelope__state=Envelope.State.QUARANTINED)
    if connection.features.has_select_for_update_skip_locked:
        found = found.select_for_update(skip_locked=True, of=("self",))
    return list(found.select_related("envelope__collector__site__member").order_by("decided")[:most])


def failed_again(held: Quarantined, why: CyberAlarmError) -> None:
    """It was tried again in vain, and is held with the reason of now."""
    again = {"state": Quarantined.State.HELD, "code": why.code, "reason": why.what[:_LONGEST_REASON]}
    Quarantined.objects.filter(pk=held.pk).update(**again, decided=datetime.now(UTC))


def went_well(held: Quarantined) -> None:
    """Its rows are stored."""
    Quarantined.objects.filter(pk=held.pk).update(state=Quarantined.State.RELEASED, decided=datetime.now(UTC))
