"""Keeps on a collector's row what of it was refused last, so that people see it, and says so in the log.

What was refused changes nothing else. A note is *proven* when the collector's own signature had been verified before the
refusal, and *claimed* when somebody only said to be this collector. Anybody can claim, so a claimed note never takes the
place of a fresh proven one, and pages trust it only where nothing is receipted either (`portal.status`).

What the centre itself decided, that a collector is stopped or revoked, is a state of its own and no note.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import DatabaseError
from django.utils import timezone

from cyberalarm.central.enrolment.errors import CollectorRevokedError, CollectorStoppedError
from cyberalarm.central.ingest.models import activity_of
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

log = structlog.get_logger(__name__)

# A note is renewed no more often, so that a flood of refused requests is no flood of writes.
NOT_OFTENER = timedelta(seconds=10)
# How long a proven note stands against claimed ones; a collector that is refused asks again within minutes.
_STANDS = timedelta(hours=1)
# A refusal that is older says nothing of today.
OF_TODAY = timedelta(hours=24)
# Anybody can claim to be a collector. One that works is receipted every minute or so, and its page must not turn red
# because a stranger uses its name: a refusal that is only claimed counts once nothing was receipted for this long.
CLAIM_AFTER = timedelta(hours=1)
_DECIDED_HERE = (CollectorStoppedError.code, CollectorRevokedError.code)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The newest refusal, and when the row of refusals began that nothing receipted has interrupted."""

    code: str
    at: datetime
    since: datetime
    proven: bool


def stands(refusal: Refusal, receipted: datetime | None, now: datetime) -> bool:
    """Has nothing receipted answered it yet, is it of today, and can it be believed? `receipted`: the newest bundle's time."""
    if now - refusal.at > OF_TODAY or (receipted is not None and receipted >= refusal.at):
        return False
    return refusal.proven or receipted is None or now - receipted > CLAIM_AFTER


# What could not be written, by the collector's number; one process receives and shows.
_unwritten: dict[int, Refusal] = {}


@dataclass(slots=True)
class Speaker:
    """Who says to speak in one request; `proven` once the signature has been verified."""

    claimed: str
    proven: bool = False


@contextmanager
def noted(claimed: str) -> Iterator[Speaker]:
    """Note any refusal inside on the collector of this reference, if there is one."""
    speaker = Speaker(claimed)
    try:
        yield speaker
    except CyberAlarmError as error:
        _note(speaker, error.code)
        raise


def newest(collector: Collector) -> Refusal | None:
    """The newest refusal of this collector: on its row, or in memory where that could not be written."""
    code, at, since = collector.refused_code, collector.refused_at, collector.refused_since
    kept = Refusal(code, at, since, bool(collector.refused_proven)) if code and at and since else None
    unwritten = _unwritten.get(collector.pk)
    if unwritten is None or (collector.enrolled and unwritten.at < collector.enrolled):
        return kept
    return unwritten if kept is None or kept.at < unwritten.at else kept


def _note(speaker: Speaker, code: str) -> None:
    now = timezone.now()
    try:
        collector = Collector.objects.filter(reference=speaker.claimed).first()
        if collector is None:
            return
        log.warning("collector.refused", collector=collector.reference, code=code, proven=speaker.proven)
        before = newest(collector)
        if code in _DECIDED_HERE or (before and _told_already(before, speaker, now)):
            return
        _keep(collector, Refusal(code, now, _since(collector, before, now), speaker.proven))
    except DatabaseError as error:
        log.warning("collector.refusal_unwritten", code=code, error=type(error).__name__)


def _keep(collector: Collector, refusal: Refusal) -> None:
    """Write it down. A full disk is one of the reasons to refuse: then memory has it until something can be written."""
    _unwritten[collector.pk] = refusal
    Collector.objects.filter(pk=collector.pk).update(
        refused_code=refusal.code,
        refused_at=refusal.at,
        refused_since=refusal.since,
        refused_proven=refusal.proven,
    )
    _unwritten.pop(collector.pk, None)


def _told_already(before: Refusal, speaker: Speaker, now: datetime) -> bool:
    age = now - before.at
    return age < NOT_OFTENER or (before.proven and not speaker.proven and age < _STANDS)


def _since(collector: Collector, before: Refusal | None, now: datetime) -> datetime:
    """When the refusals began that nothing receipted has interrupted."""
    if before is None:
        return now
    receipted = activity_of([collector.pk])[collector.pk].envelope
    return before.since if receipted is None or receipted < before.at else now
