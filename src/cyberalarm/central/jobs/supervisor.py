"""Runs the scheduled jobs inside the serving process, each in a thread of its own.

Invariants: one run per job and slot; a run that was cut off (the process died, or its end could not be written) is
found and tried again; a failure is logged, kept and retried with growing waits, and never ends the thread, not even
when the database fails, where the waits are kept in memory and the traceback is logged once. `stop` lets a running
job finish.

What it does not do: decide when a job is due (`schedule`) or what it does (`work`).
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import close_old_connections, connection, transaction

from cyberalarm.core.errors import CyberAlarmError

from .models import JobRun
from .schedule import Last, LastRun, due, wait_after
from .work import Job, default_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)

# How often a thread looks whether its job is due; the shortest slot is a minute.
_LOOK_SECONDS = 5.0
# What is kept for people to look at.
_KEPT = timedelta(days=7)


def _clock() -> datetime:
    return datetime.now(UTC)


class Supervisor:
    """Starts and stops the jobs. Make one for the serving process."""

    def __init__(
        self,
        store: EventStore,
        jobs: tuple[Job, ...] | None = None,
        *,
        clock: Callable[[], datetime] = _clock,
        look_seconds: float = _LOOK_SECONDS,
        back_off: Callable[[int], timedelta] = wait_after,
    ) -> None:
        self._store = store
        self._jobs = default_jobs() if jobs is None else jobs
        self._clock = clock
        self._look_seconds = look_seconds
        self._back_off = back_off
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Recover what a dead process left running, then start a thread for each job."""
        recover_orphans(self._clock())
        _supervised(self._clock())
        for job in self._jobs:
            thread = threading.Thread(target=self._watch, args=(job,), name=f"job-{job.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Let running jobs finish and end the threads; waits for each no longer than `timeout` seconds."""
        _supervised(None)
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout)

    def _watch(self, job: Job) -> None:
        failures = 0
        while not self._stopping.is_set():
            close_old_connections()
            wait = self._look_seconds
            try:
                if failures:
                    # This thread alone runs this job, so what seems to be running is what just failed.
                    recover_orphans(self._clock(), job.name)
                run_if_due(job, self._store, self._clock)
                failures = 0
            except Exception as error:
                failures += 1
                wait = self._back_off(failures).total_seconds()
                told = {"job": job.name, "failures": failures, "next_try_seconds": round(wait)}
                if failures == 1:
                    log.exception("jobs.supervisor_failed", **told)
                else:  # the traceback would only repeat itself
                    log.error("jobs.supervisor_failed", error=type(error).__name__, **told)  # noqa: TRY400
            self._stopping.wait(wait)
        connection.close()


_supervised_since: datetime | None = None


def supervised_since() -> datetime | None:
    """Since when this process runs the jobs; None when it does not."""
    return _supervised_since


def _supervised(since: datetime | None) -> None:
    global _supervised_since  # noqa: PLW0603 - one process holds one event store, and so one supervisor
    _supervised_since = since


def recover_orphans(now: datetime, job: str | None = None) -> int:
    """Mark runs that nobody is working on as failed, to be tried at once: of one job, or of all.

    Only right before any job starts, or from the thread that runs the job.
    """
    runs = JobRun.objects.filter(state=JobRun.State.RUNNING)
    if job is not None:
        runs = runs.filter(job=job)
    count = runs.update(state=JobRun.State.FAILED, finished=now, next_try=now, result="cut off")
    if count:
        log.warning("jobs.orphans_recovered", count=count)
    return count


def run_if_due(job: Job, store: EventStore, clock: Callable[[], datetime]) -> JobRun | None:
    """Run a job when its slot is due; gives the run, or None when there was nothing to do."""
    now = clock()
    with transaction.atomic():
        last = JobRun.objects.filter(job=job.name).order_by("-started", "-id").first()
        key = due(job.every, now, _last(last))
        if key is None:
            return None
        failures = last.attempts if last and last.state == JobRun.State.FAILED else 0
        run, _ = JobRun.objects.update_or_create(
            job=job.name,
            key=key,
            defaults={
                "state": JobRun.State.RUNNING,
                "attempts": failures + 1,
                "started": now,
                "finished": None,
                "next_try": None,
                "result": "",
            },
        )
    _work(job, store, run, clock)
    # The newest that was done stays, so that it can be told how old it is.
    done = (
        JobRun.objects.filter(job=job.name, state=JobRun.State.DONE)
        .order_by("-started", "-id")
        .values_list("pk", flat=True)[:1]
    )
    JobRun.objects.filter(job=job.name, started__lt=now - _KEPT).exclude(pk=run.pk).exclude(pk__in=list(done)).delete()
    return run


def _work(job: Job, store: EventStore, run: JobRun, clock: Callable[[], datetime]) -> None:
    try:
        run.result = job.run(store, run.started)[:200]
        run.state = JobRun.State.DONE
    except Exception as error:
        code = error.code if isinstance(error, CyberAlarmError) else type(error).__name__
        run.state = JobRun.State.FAILED
        run.result = code
        run.next_try = clock() + wait_after(run.attempts)
        log.exception("jobs.failed", job=job.name, key=run.key, attempts=run.attempts, code=code)
    run.finished = clock()
    run.save()
    if run.state == JobRun.State.DONE:
        log.info("jobs.done", job=job.name, key=run.key, result=run.result)


def _last(run: JobRun | None) -> LastRun | None:
    return None if run is None else LastRun(run.key, Last(run.state), run.attempts, run.next_try)
