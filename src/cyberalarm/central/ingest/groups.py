"""Groups of envelopes that are stored together: the relational side, in three short transactions.

`record` writes down what is about to be stored, `finish` that it is; `undo` forgets it. Between them the rows go into the event
store under the group's token, by which the same insert again adds only what is missing.

Invariants
- A group's row is there from before its insert until its envelopes are stored, and says all that is needed to insert the same
  rows again, beside the kept originals.
- An envelope is in one unfinished group at most; while it is, nothing else of its collector is recorded.
- Chains are locked in the order of their numbers, so that several processes neither break, fork nor wait for each other for ever.
- Who finishes or undoes a group holds its row: what another process has done with it meanwhile is seen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import Q

from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.enrolment.services import milliseconds
from cyberalarm.central.ingest import standing, totals
from cyberalarm.central.ingest.bundles import Sender, sealed_time
from cyberalarm.central.ingest.chain import check_chain
from cyberalarm.central.ingest.errors import BusyError, EnvelopeReplayedError
from cyberalarm.central.ingest.hearing import note_heard, sealed_at
from cyberalarm.central.ingest.models import Envelope, Group
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import receipts
from cyberalarm.envelope.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cyberalarm.central.ingest.bundles import Bundle
    from cyberalarm.envelope.keys import SigningKey

# How long a process may be silent before others complete its groups. An insert that takes longer is not begun near its end.
LEASE = timedelta(seconds=60)
_AT_ONCE = 20  # groups taken over in one go


@dataclass(frozen=True, slots=True)
class Recorded:
    """A group that is written down, and what was not let into it, each with its answer: an error, or the receipt it has."""

    token: str
    stored: datetime
    accepted: list[Bundle]
    answered: list[tuple[Bundle, CyberAlarmError | bytes]]


def new_owner() -> str:
    """A name for a process; it shall never have two."""
    return str(uuid4())


def record(bundles: Sequence[Bundle], token: str, owner: str, now: datetime) -> Recorded:
    """Write down a group of the bundles that continue their collectors' chains, and refuse the others."""
    done = Recorded(token, now, [], [])
    with transaction.atomic():
        wanted = {b.collector for b in bundles}
        chains = {c.pk: c for c in Chain.objects.select_for_update().filter(pk__in=wanted).order_by("pk")}
        storing = Envelope.objects.filter(state=Envelope.State.STORING, collector__in=wanted)
        held = set(storing.values_list("collector", flat=True))
        for bundle in bundles:
            try:
                _refuse(bundle, chains[bundle.collector], held)
            except CyberAlarmError as error:
                done.answered.append((bundle, error))
                continue
            if not bundle.released:
                chain = chains[bundle.collector]
                chain.sequence, chain.head = bundle.header.sequence, bundle.digest
            done.accepted.append(bundle)
        _write(done, owner, now)
    done.answered[:] = [(b, _already(b, answer)) for b, answer in done.answered]
    return done


def _refuse(bundle: Bundle, chain: Chain, held: set[int]) -> None:
    if bundle.collector in held:
        raise BusyError(
            "The envelope before it is still being stored.", next_step="Send the envelope again in a moment."
        )
    if not bundle.released:
        check_chain(bundle.header, chain.sequence, chain.head)


def _already(bundle: Bundle, answer: CyberAlarmError | bytes) -> CyberAlarmError | bytes:
    """This very envelope may have been settled while it waited here, by another process for one: then it has its receipt."""
    if isinstance(answer, EnvelopeReplayedError):
        stored = Envelope.objects.filter(digest=bundle.digest).exclude(state=Envelope.State.STORING).first()
        aside = stored is not None and stored.state == Envelope.State.QUARANTINED
        if stored is not None and stored.receipt is not None and (bundle.sender.reads_words or not aside):
            return bytes(stored.receipt)
    return answer


def _write(done: Recorded, owner: str, now: datetime) -> None:
    if not done.accepted:
        return
    senders = [asdict(bundle.sender) for bundle in done.accepted]
    Group.objects.create(token=done.token, owner=owner, lease=now + LEASE, stored=now, senders=senders)
    Envelope.objects.bulk_create(
        [_record_of(b, done.token, at, now) for at, b in enumerate(done.accepted) if not b.released]
    )
    for at, bundle in enumerate(done.accepted):
        if bundle.released:
            Envelope.objects.filter(digest=bundle.digest).update(
                state=Envelope.State.STORING, group=done.token, position=at, **_contents(bundle)
            )


def _record_of(bundle: Bundle, token: str, position: int, now: datetime) -> Envelope:
    return Envelope(
        collector_id=bundle.collector,
        sequence=bundle.header.sequence,
        digest=bundle.digest,
        state=Envelope.State.STORING,
        sealed=sealed_time(bundle.header),
        received=now,
        size=bundle.size,
        group=token,
        position=position,
        **_contents(bundle),
    )


def _contents(bundle: Bundle) -> dict[str, object]:
    return {
        "rows": bundle.events.num_rows,
        "lines": bundle.header.lines,
        "pack_release": bundle.release,
        "ledgers": {device: ledger.to_json() for device, ledger in bundle.ledgers.items()},
    }


def finish(token: str, accepted: Sequence[Bundle], stored: datetime, key: SigningKey) -> list[bytes]:
    """The rows are durable: receipts, chain heads, totals and what devices said, all or none. Gives the receipts, in order.

    Raises Envelope.DoesNotExist where the group was undone by another process meanwhile.
    """
    issued = {b.digest: receipts.issue(_receipt_of(b, stored), key) for b in accepted}
    with transaction.atomic():
        group = Group.objects.select_for_update().filter(token=token).first()
        if group is not None:
            _finish(group, accepted, stored, issued)
    given = dict(
        Envelope.objects.filter(digest__in=[b.digest for b in accepted], state=Envelope.State.STORED)
        .order_by()
        .values_list("digest", "receipt")
    )
    if len(given) != len(accepted):
        raise Envelope.DoesNotExist("the group was undone")
    return [bytes(given[b.digest] or b"") for b in accepted]


def _finish(group: Group, accepted: Sequence[Bundle], stored: datetime, issued: dict[str, bytes]) -> None:
    now = stored
    Envelope.objects.filter(group=group.token, state=Envelope.State.STORING).update(state=Envelope.State.STORED)
    quote = connection.ops.quote_name
    statement = f"update {quote(Envelope._meta.db_table)} set receipt = %s where digest = %s"  # noqa: S608, SLF001 - no values
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(receipt, digest) for digest, receipt in issued.items()])
    fresh = [b for b in accepted if not b.released]
    heads = {b.collector: _head(b, now) for b in fresh}
    Chain.objects.bulk_update(heads.values(), ["sequence", "head", "sealed", "received"])
    sums = totals.sums(accepted)
    totals.add_sums(sums, now)
    totals.add_spans(sums, now)
    note_heard(fresh, now)
    standing.keep({b.collector: b.alarms for b in fresh if b.alarms is not None}, now)
    Collector.objects.filter(pk__in=heads).update(last_seen=now)
    group.delete()


def _head(bundle: Bundle, now: datetime) -> Chain:
    header = bundle.header
    sealed = sealed_at(header.sealed, bundle.clock_offset, now)
    return Chain(
        collector_id=bundle.collector, sequence=header.sequence, head=bundle.digest, sealed=sealed, received=now
    )


def _receipt_of(bundle: Bundle, now: datetime) -> Receipt:
    header = bundle.header
    return Receipt(bundle.digest, header.collector, header.sequence, header.events, milliseconds(now))


def undo(token: str, only: Iterable[str] | None = None) -> bool:
    """Forget a group of which nothing is stored, or of it the envelopes with these digests. False: somebody was quicker.

    What had been put aside before is so again.
    """
    with transaction.atomic():
        group = Group.objects.select_for_update().filter(token=token).first()
        if group is None:
            return False
        members = Envelope.objects.filter(group=token, state=Envelope.State.STORING)
        if only is not None:
            members = members.filter(digest__in=list(only))
        aside = Q(quarantined__isnull=False)
        members.filter(aside).update(state=Envelope.State.QUARANTINED, rows=0, ledgers={}, group=None, position=None)
        members.exclude(aside).delete()
        if only is None:
            group.delete()
    return True


def take_over(owner: str, now: datetime, *, alone: bool) -> list[Group]:
    """Make this process the owner of groups whose owner is gone: all others' where it is `alone`, else where a lease ended."""
    found = Group.objects.exclude(owner=owner).order_by("stored")
    if not alone:
        found = found.filter(lease__lt=now)
    if connection.features.has_select_for_update_skip_locked:
        found = found.select_for_update(skip_locked=True)
    with transaction.atomic():
        taken = list(found[:_AT_ONCE])
        Group.objects.filter(token__in=[g.token for g in taken]).update(owner=owner, lease=now + LEASE)
    return taken


def renew(owner: str, now: datetime) -> None:
    """Say that this process lives."""
    Group.objects.filter(owner=owner).update(lease=now + LEASE)


def sender_of(group: Group, position: int) -> Sender:
    return Sender(**group.senders[position])
