"""Completing groups whose storing was interrupted, by a crash or by an error of the event store.

The originals are opened again in their order, the same rows are inserted under the same token, and the group is finished as any
other. So nothing is taken away that may be in a rollup, and nobody need send anything again.

- A group whose rows the engine refuses for what is in them, of which it has none, is undone. Its envelopes come again, each alone,
  so that the one that is at fault is found and put aside for an analyst.
- An original that is gone or damaged cannot be stored again: where the engine has rows of it, it counts as stored, otherwise
  it is forgotten, and its collector sends it again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog
from django.db import DatabaseError, connection

from cyberalarm.central.enrolment.services import milliseconds
from cyberalarm.central.events.arrow import arrow_schema
from cyberalarm.central.events.errors import EventStoreError
from cyberalarm.central.events.refused import for_its_values
from cyberalarm.central.ingest import evidence, figures, groups, quarantine, quiet
from cyberalarm.central.ingest.bundles import Bundle, as_released, open_envelope
from cyberalarm.central.ingest.errors import OriginalLostError
from cyberalarm.central.ingest.models import Envelope, Group
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import sealing
from cyberalarm.envelope.sealing import Header

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cyberalarm.central.enrolment.keys import CentreKeys
    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)

_MOST_SUSPECTS = 10_000


class Completer:
    """Knows this process's name as an owner of groups. Safe from any thread; it completes one group at a time."""

    def __init__(self, store: EventStore, keys: CentreKeys, folder: Path) -> None:
        self.owner = groups.new_owner()
        self.keys = keys
        self.active: set[str] = set()  # the groups that the writers have in hand
        self._store = store
        self._folder = folder
        self._one_at_a_time = threading.Lock()
        self._suspects: OrderedDict[str, None] = OrderedDict()

    @property
    def alone(self) -> bool:
        """Can no other process be at work? A database that cannot lock a row for one of many serves one."""
        return not connection.features.has_select_for_update_skip_locked

    def suspected(self, digest: str) -> bool:
        """Was this envelope in a group that the engine refused? Then it is to be stored alone."""
        return digest in self._suspects

    def forget_unrecorded(self) -> None:
        """What a program of before was storing when it ended has no group: undone as it did, and sent again."""
        old = list(Envelope.objects.filter(state=Envelope.State.STORING, group__isnull=True))
        for envelope in old:
            self._store.delete_bundle(envelope.collector_id, envelope.sequence)
        Envelope.objects.filter(pk__in=[e.pk for e in old]).delete()
        if old:
            log.warning("ingest.undone", envelopes=len(old))

    def complete_others(self, *, starting: bool = False) -> int:
        """Take over and complete the groups of processes that are gone; gives how many were completed.

        A process that is `alone` and is just `starting` waits for no lease to end: whoever wrote them down is gone.
        """
        groups.take_over(self.owner, datetime.now(UTC), alone=starting and self.alone)
        return self.complete_own()

    def complete_own(self) -> int:
        """Complete this process's own groups but those that its writers have in hand; gives how many.

        One that cannot be completed now holds up no other; the first one's error is raised at the end.
        """
        completed, failed = 0, None
        with self._one_at_a_time:
            for group in Group.objects.filter(owner=self.owner).exclude(token__in=list(self.active)).order_by("stored"):
                if group.token in self.active:
                    continue  # begun since they were asked for
                try:
                    with quiet.storing():
                        self._complete(group)
                    completed += 1
                except (EventStoreError, OSError, DatabaseError) as error:
                    failed = failed or error
        if failed is not None:
            raise failed
        return completed

    def _complete(self, group: Group) -> None:
        groups.renew(self.owner, datetime.now(UTC))
        again, stored = self._reopened(group)
        if again:
            try:
                self._store.insert(pa.concat_tables([b.rows(group.stored) for b in again]), token=group.token)
            except EventStoreError as error:
                if not for_its_values(error) or stored or any(self._rows_of(b) for b in again):
                    raise
                self._refused(group, again)
                return
        if again or stored:
            groups.finish(group.token, [*again, *stored], group.stored, self.keys.receipts)
        else:
            groups.undo(group.token)
        figures.COMPLETED.inc()
        log.warning("ingest.completed", envelopes=len(again) + len(stored))

    def _refused(self, group: Group, bundles: Sequence[Bundle]) -> None:
        if not groups.undo(group.token):
            return
        log.error("ingest.group_refused", envelopes=len(bundles))
        if len(bundles) == 1 and not bundles[0].released and bundles[0].sender.reads_words:
            one = bundles[0]
            refusal = CyberAlarmError("The event store refuses its rows.", code="store-refused")
            quarantine.put_aside(one.sender, one.header, one.digest, one.size, refusal, self.keys.receipts)
            return
        for bundle in bundles:
            self._suspects[bundle.digest] = None
        while len(self._suspects) > _MOST_SUSPECTS:
            self._suspects.popitem(last=False)

    def _reopened(self, group: Group) -> tuple[list[Bundle], list[Bundle]]:
        """The bundles of a group, in order: what is to be inserted, and what is stored and has no original any more."""
        found: list[Bundle] = []
        stored: list[Bundle] = []
        members = Envelope.objects.filter(group=group.token, state=Envelope.State.STORING)
        for envelope in members.select_related("collector", "quarantined").order_by("position"):
            try:
                found.append(self._reopen(group, envelope))
            except (FileNotFoundError, CyberAlarmError) as error:
                reason = error.code if isinstance(error, CyberAlarmError) else type(error).__name__
                log.error("ingest.original_lost", reason=reason)  # noqa: TRY400 - the reason says all
                if self._store.bundle_rows(envelope.collector_id, envelope.sequence):
                    stored.append(_from_record(group, envelope))
                else:
                    groups.undo(group.token, [envelope.digest])
        return found, stored

    def _reopen(self, group: Group, envelope: Envelope) -> Bundle:
        path = evidence.path_of(self._folder, envelope.collector.reference, envelope.sequence)
        sealed = path.read_bytes()
        if sealing.digest(sealed) != envelope.digest:
            raise OriginalLostError("The kept original is not this envelope.")
        sender = groups.sender_of(group, int(envelope.position or 0))
        header = sealing.read_header(sealed)
        bundle = open_envelope(sealed, header, envelope.digest, sender, self.keys.analysis, group.stored)
        return as_released(bundle) if hasattr(envelope, "quarantined") else bundle

    def _rows_of(self, bundle: Bundle) -> int:
        return self._store.bundle_rows(bundle.collector, bundle.header.sequence)


def _from_record(group: Group, envelope: Envelope) -> Bundle:
    """A bundle without its rows, made from what the centre noted of it."""
    header = Header(
        collector=envelope.collector.reference,
        sequence=envelope.sequence,
        previous="",
        sealed=milliseconds(envelope.sealed),
        events=envelope.rows,
        lines=envelope.lines,
    )
    bundle = Bundle(
        sender=groups.sender_of(group, int(envelope.position or 0)),
        header=header,
        digest=envelope.digest,
        size=envelope.size,
        ledgers=envelope.device_ledgers(),
        events=arrow_schema().empty_table(),
        release=envelope.pack_release,
    )
    return as_released(bundle) if hasattr(envelope, "quarantined") else bundle
