"""Who runs a job now, decided in the database, so that it is one of however many threads, processes and machines.

Invariants
- Whoever decides about a job holds its `JobTurn` row; who finds it held by another leaves the job alone (skip_locked where the
  database has it; SQLite's immediate transactions come one after the other).
- A run has an owner and a lease that the owner renews. It is taken over when its owner is surely gone, or its lease has ended.
- The end of a run is written only by who still owns it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from .models import JobRun, JobTurn
from .owning import surely_gone
from .schedule import BELIEVED, Every, Last, LastRun, due, slot

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
# What is kept for people to look at.
_KEPT = timedelta(days=7)
_State = JobRun.State


def claim(job: str, every: Every, now: datetime, owner: str) -> JobRun | None:
    """A run of this job that is ours to do now; None when none is due, or another has it."""
    JobTurn.objects.get_or_create(job=job)
    with transaction.atomic():
        turns = JobTurn.objects.filter(job=job)
        if connection.features.has_select_for_update:
            turns = turns.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        turn = turns.first()
        if turn is None:
            return None
        _take_over(JobRun.objects.filter(job=job, state=_State.RUNNING), now)
        if JobRun.objects.filter(job=job, state=_State.RUNNING).exists():
            return None
        last = _newest(job, now)
        chosen = _asked(every, now, last) if turn.asked else _scheduled(every, now, last)
        if turn.asked:
            JobTurn.objects.filter(job=job).update(asked=None)
        if chosen is None:
            return None
        key, attempts, asked = chosen
        if JobRun.objects.filter(job=job, key=key, state=_State.DONE).exists():
            return None  # a clock was wrong: this slot is done
        run, _ = JobRun.objects.update_or_create(
            job=job,
            key=key,
            defaults={
                "state": _State.RUNNING,
                "attempts": attempts,
                "started": now,
                "finished": None,
                "next_try": None,
                "result": "",
                "owner": owner,
                "lease": now + LEASE,
                "asked": asked,
            },
        )
        return run


def _newest(job: str, now: datetime) -> JobRun | None:
    """The latest scheduled run that a believable clock began."""
    return JobRun.objects.filter(job=job, asked=False, started__lte=now + BELIEVED).order_by("-started", "-id").first()


def _scheduled(every: Every, now: datetime, last: JobRun | None) -> tuple[str, int, bool] | None:
    key = due(every, now, None if last is None else LastRun(last.key, Last(last.state), last.attempts, last.next_try))
    if key is None:
        return None
    failed = last is not None and last.state in (_State.FAILED, _State.GIVEN_UP)
    # A slot that was given up was the end of a row of failures; the next one begins a new row.
    return key, last.attempts + 1 if last and failed and last.state == _State.FAILED else 1, False


def _asked(every: Every, now: datetime, last: JobRun | None) -> tuple[str, int, bool]:
    """What failed is tried anew in its slot; otherwise a run of its own, which leaves the schedule alone."""
    if last is not None and last.state in (_State.FAILED, _State.GIVEN_UP):
        return max(slot(every, now), last.key), 1, False
    return now.strftime("%Y-%m-%dT%H:%M:%S.%f"), 1, True


def take_over(now: datetime) -> int:
    """Mark runs whose owners are gone as failed, to be tried at once; give how many."""
    with transaction.atomic():
        return _take_over(JobRun.objects.filter(state=_State.RUNNING), now)


def _take_over(runs: object, now: datetime) -> int:
    gone = [run.pk for run in runs if _abandoned(run, now)]  # type: ignore[attr-defined]
    return _cut_off(gone, now)


def _abandoned(run: JobRun, now: datetime) -> bool:
    """A lease that reaches further than any was given by a clock that was wrong."""
    if run.lease is None or surely_gone(run.owner):
        return True
    return run.lease < now or run.lease - now > LEASE + BELIEVED


def give_back(job: str, owner: str, now: datetime) -> int:
    """Mark this owner's runs of a job as failed: for the thread that runs it and could not write their end."""
    found = JobRun.objects.filter(job=job, owner=owner, state=_State.RUNNING).values_list("pk", flat=True)
    return _cut_off(list(found), now)


def _cut_off(keys: Collection[int], now: datetime) -> int:
    if not keys:
        return 0
    count = JobRun.objects.filter(pk__in=keys, state=_State.RUNNING).update(
        state=_State.FAILED, finished=now, next_try=now, result="cut off"
    )
    if count:
        log.warning("jobs.orphans_recovered", count=count)
    return count


def renew(runs: Collection[int], owner: str, now: datetime) -> None:
    """Keep these runs ours for another while."""
    JobRun.objects.filter(pk__in=list(runs), owner=owner, state=_State.RUNNING).update(lease=now + LEASE)


def finish(run: JobRun, owner: str) -> bool:
    """Write a run's end; False when somebody else has taken it over meanwhile, whose word counts then."""
    with transaction.atomic():
        mine = JobRun.objects.filter(pk=run.pk, owner=owner, state=_State.RUNNING, started=run.started)
        if connection.features.has_select_for_update:
            mine = mine.select_for_update()
        if not mine.exists():
            log.warning("jobs.taken_over", job=run.job, key=run.key)
            return False
        run.lease = None
        run.save()
    return True


def forget(job: str, now: datetime, but: int) -> None:
    """Remove old runs; the newest that was done stays, so that it can be told how old it is."""
    done = JobRun.objects.filter(job=job, state=_State.DONE).order_by("-started", "-id").values_list("pk", flat=True)
    kept = [but, *done[:1]]
    JobRun.objects.filter(job=job, started__lt=now - _KEPT).exclude(pk__in=kept).delete()


def ask(job: str, now: datetime) -> None:
    """Have a job run as soon as a supervisor looks, whatever its schedule says."""
    JobTurn.objects.update_or_create(job=job, defaults={"asked": now})
