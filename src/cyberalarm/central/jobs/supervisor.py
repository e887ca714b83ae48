"""Runs the scheduled jobs, each in a thread of its own, in as many processes as there are.

Invariants: one run per job and slot, whoever looks (`claiming`); a run that was cut off (the process died, or its end could not
be written) is found and tried again; a failure is logged, kept and retried with growing waits, and never ends the thread, not
even when the database fails, where the waits are kept in memory and the traceback is logged once; a run that takes too long is
logged, and its lease goes on. `stop` lets a running job finish.

What it does not do: decide when a job is due (`schedule`), who runs it (`claiming`) or what it does (`work`).
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from django.db import close_old_connections, connection

from cyberalarm.core.errors import CyberAlarmError

from . import claiming
from .models import JobRun
from .owning import this_process
from .schedule import MOST_TRIES, long_after, wait_after
from .work import Job, default_jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)

# How often a thread looks whether its job is due; the shortest slot is a minute.
_LOOK_SECONDS = 5.0


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
        self._owner = this_process()
        self._at_work: dict[str, JobRun] = {}
        self._told_long: set[int] = set()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Recover what a dead process left running, then start a thread for each job."""
        claiming.take_over(self._clock())
        _supervised(self._clock())
        leases = threading.Thread(target=self._keep_leases, name="job-leases", daemon=True)
        self._threads.append(leases)
        leases.start()
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
                    # This thread alone runs this job in this process, so what it seems to run is what just failed.
                    claiming.give_back(job.name, self._owner, self._clock())
                self._run_if_due(job)
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

    def _run_if_due(self, job: Job) -> None:
        def begun(run: JobRun) -> None:
            self._at_work[job.name] = run

        try:
            run_if_due(job, self._store, self._clock, owner=self._owner, begun=begun)
        finally:
            self._at_work.pop(job.name, None)

    def _keep_leases(self) -> None:
        """Renew what is at work, and say once of each run that it takes too long."""
        every = {job.name: job.every for job in self._jobs}
        while not self._stopping.wait(claiming.LEASE.total_seconds() / 4):
            close_old_connections()
            try:
                now, runs = self._clock(), list(self._at_work.values())
                claiming.renew([run.pk for run in runs], self._owner, now)
                for run in runs:
                    if now - run.started > long_after(every[run.job]) and run.pk not in self._told_long:
                        self._told_long.add(run.pk)
                        log.error("jobs.hanging", job=run.job, key=run.key, minutes=(now - run.started).seconds // 60)
            except Exception:
                log.exception("jobs.lease_failed")
        connection.close()


_supervised_since: datetime | None = None


def supervised_since() -> datetime | None:
    """Since when this process runs the jobs; None when it does not."""
    return _supervised_since


def _supervised(since: datetime | None) -> None:
    global _supervised_since  # noqa: PLW0603 - one process holds one event store, and so one supervisor
    _supervised_since = since


def run_if_due(
    job: Job,
    store: EventStore,
    clock: Callable[[], datetime],
    *,
    owner: str = "",
    begun: Callable[[JobRun], None] = lambda _: None,
) -> JobRun | None:
    """Run a job when its slot is due; gives the run, or None when there was nothing to do. `begun` is told of it."""
    owner = owner or this_process()
    run = claiming.claim(job.name, job.every, clock(), owner)
    if run is None:
        return None
    begun(run)
    _work(job, store, run, clock, owner)
    claiming.forget(job.name, run.started, run.pk)
    return run


def _work(job: Job, store: EventStore, run: JobRun, clock: Callable[[], datetime], owner: str) -> None:
    try:
        run.result = job.run(store, run.started)[:200]
        run.state = JobRun.State.DONE
    except Exception as error:  # noqa: BLE001 - a job may fail with anything; its run says with what
        _failed(run, error, clock())
    run.finished = clock()
    if claiming.finish(run, owner) and run.state == JobRun.State.DONE:
        log.info("jobs.done", job=job.name, key=run.key, result=run.result)


def _failed(run: JobRun, error: Exception, now: datetime) -> None:
    code = error.code if isinstance(error, CyberAlarmError) else type(error).__name__
    given_up = run.attempts >= MOST_TRIES
    run.state = JobRun.State.GIVEN_UP if given_up else JobRun.State.FAILED
    run.result = code[:200]
    run.next_try = now + wait_after(run.attempts)
    log.error("jobs.failed", job=run.job, key=run.key, attempts=run.attempts, code=code, exc_info=error)
    if given_up:
        log.error("jobs.given_up", job=run.job, key=run.key, attempts=run.attempts, code=code)
