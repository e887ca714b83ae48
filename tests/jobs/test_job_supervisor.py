"""The supervisor, for real: once per slot, recovered after a death, retried after a failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connection
from structlog.testing import capture_logs

from cyberalarm.central.events.arrow import Origin, table_of, with_origin
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.jobs import claiming
from cyberalarm.central.jobs.models import JobRun, JobTurn
from cyberalarm.central.jobs.owning import surely_gone, this_process
from cyberalarm.central.jobs.schedule import MOST_TRIES, Every, wait_after
from cyberalarm.central.jobs.supervisor import Supervisor, run_if_due, supervised_since
from cyberalarm.central.jobs.work import Job, default_jobs
from cyberalarm.central.members.models import Member
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.events.store import EventStore

NOW = datetime(2026, 11, 20, 8, 5, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# How long a test waits for a thread before it calls it lost; never how long anything should take.
PATIENCE = 60


@pytest.fixture(autouse=True)
def no_runs(migrated: None) -> Iterator[None]:
    JobRun.objects.all().delete()
    JobTurn.objects.all().delete()
    yield
    JobRun.objects.all().delete()
    JobTurn.objects.all().delete()


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


class Counting:
    """Work that counts its runs and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self.failures = failures
        self.ran = threading.Event()

    def __call__(self, store: EventStore, now: datetime) -> str:
        self.runs += 1
        self.ran.set()
        if self.runs <= self.failures:
            raise CyberAlarmError("not today", code="not-today")
        return f"run {self.runs}"


def test_once_per_slot(store: EventStore) -> None:
    work = Counting()
    job = Job("count", Every.MINUTE, work)
    for seconds in (0, 1, 20, 29):
        run_if_due(job, store, at(NOW + timedelta(seconds=seconds)))
    assert work.runs == 1
    run_if_due(job, store, at(NOW + timedelta(seconds=30)))
    assert [(r.key, r.state, r.result) for r in JobRun.objects.order_by("key")] == [
        ("2026-11-20T08:05", "done", "run 1"),
        ("2026-11-20T08:06", "done", "run 2"),
    ]


def test_failures_are_kept_retried_with_growing_waits_and_forgiven(store: EventStore) -> None:
    work = Counting(failures=3)
    job = Job("count", Every.WEEK, work)
    moment = NOW
    for attempt in (1, 2, 3):
        run = run_if_due(job, store, at(moment))
        assert run is not None
        assert (run.state, run.attempts, run.result) == ("failed", attempt, "not-today")
        assert run.next_try == moment + wait_after(attempt)
        assert run_if_due(job, store, at(run.next_try - timedelta(seconds=1))) is None
        moment = run.next_try
    run = run_if_due(job, store, at(moment))
    assert run is not None
    assert run.state == "done"
    assert JobRun.objects.count() == 1
    following = run_if_due(job, store, at(moment + timedelta(days=7)))
    assert following is not None
    assert following.attempts == 1


def test_a_bug_in_a_job_is_a_failure_and_not_the_end(store: EventStore) -> None:
    def broken(store: EventStore, now: datetime) -> str:
        raise ZeroDivisionError

    run = run_if_due(Job("broken", Every.MINUTE, broken), store, at(NOW))
    assert run is not None
    assert (run.state, run.result) == ("failed", "ZeroDivisionError")


def test_old_runs_are_forgotten_and_the_newest_kept(store: EventStore) -> None:
    job = Job("count", Every.HOUR, Counting())
    for days in (0, 1, 9):
        run_if_due(job, store, at(NOW + timedelta(days=days)))
    assert [r.key for r in JobRun.objects.all()] == ["2026-11-29T08"]


DYING = """
import os, sys
from datetime import datetime
import django
django.setup()
from cyberalarm.central.jobs.schedule import Every
from cyberalarm.central.jobs.supervisor import run_if_due
from cyberalarm.central.jobs.work import Job
def work(store, now):
    print("working", flush=True)
    sys.stdin.read()
    return ""
run_if_due(Job("count", Every.WEEK, work), None, lambda: datetime.fromisoformat(sys.argv[1]))
"""


def test_a_run_cut_off_by_a_death_is_done_at_the_next_start(store: EventStore) -> None:
    connection.close()
    dying = subprocess.Popen(
        [sys.executable, "-c", DYING, NOW.isoformat()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ, text=True,
    )  # fmt: skip
    assert dying.stdout is not None
    assert "working" in dying.stdout.readline()
    dying.send_signal(signal.SIGKILL)
    assert dying.wait() == -signal.SIGKILL
    assert JobRun.objects.get().state == JobRun.State.RUNNING
    work = Counting()
    job = Job("count", Every.WEEK, work)
    run = run_if_due(job, store, at(NOW + MINUTE))
    assert run is not None
    assert (run.state, run.attempts, work.runs) == ("done", 2, 1)


RACING = """
import sys, time
from datetime import datetime
import django
django.setup()
from cyberalarm.central.jobs.schedule import Every
from cyberalarm.central.jobs.supervisor import run_if_due
from cyberalarm.central.jobs.work import Job
def work(store, now):
    print("ran", flush=True)
    time.sleep(0.2)
    return ""
print("here", flush=True)
sys.stdin.readline()
for _ in range(5):
    run_if_due(Job("count", Every.WEEK, work), None, lambda: datetime.fromisoformat(sys.argv[1]))
"""


def test_of_many_processes_one_runs_it(store: EventStore) -> None:
    connection.close()
    command = [sys.executable, "-c", RACING, NOW.isoformat()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    racers = [subprocess.Popen(command, env=os.environ, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for racer in racers:
        assert racer.stdout.readline() == "here\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=PATIENCE)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert sum(one.count("ran\n") for one in said) == 1
    assert JobRun.objects.get().state == "done"


def test_a_run_of_another_machine_is_taken_over_when_its_lease_ends(store: EventStore) -> None:
    job = Job("count", Every.WEEK, Counting())
    run = claiming.claim("count", Every.WEEK, NOW, "elsewhere/pid:[1]/7/1")
    assert run is not None
    assert run_if_due(job, store, at(NOW + claiming.LEASE)) is None
    claiming.renew([run.pk], run.owner, NOW + MINUTE)
    assert run_if_due(job, store, at(NOW + claiming.LEASE + MINUTE)) is None
    taken = run_if_due(job, store, at(NOW + claiming.LEASE + MINUTE + timedelta(seconds=1)))
    assert taken is not None
    assert (taken.state, taken.attempts) == ("done", 2)
    run.state, run.result = "failed", "too late"
    assert not claiming.finish(run, run.owner)
    assert JobRun.objects.get().state == "done"


def test_a_process_that_is_gone_is_told_from_one_that_is_there() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    place, _, _ = this_process().rsplit("/", 2)
    assert not surely_gone(this_process())
    assert surely_gone(f"{place}/{ended.pid}/123")
    assert surely_gone(f"{place}/{os.getpid()}/1")  # the number was given to another process
    for unknown in ("", "elsewhere/pid:[1]/7/1", "x/y", f"{place}/x/1"):
        assert not surely_gone(unknown)


def test_after_many_failures_a_slot_is_given_up_and_the_next_is_tried(store: EventStore) -> None:
    job, moment = Job("count", Every.WEEK, Counting(failures=MOST_TRIES)), NOW
    with capture_logs() as logs:
        for _ in range(MOST_TRIES):
            run = run_if_due(job, store, at(moment))
            assert run is not None
            assert run.next_try is not None
            moment = run.next_try
    assert (run.state, [e["event"] for e in logs if e["event"] == "jobs.given_up"]) == ("given-up", ["jobs.given_up"])
    assert run_if_due(job, store, at(moment + timedelta(days=1))) is None
    following = run_if_due(job, store, at(NOW + timedelta(days=7)))
    assert following is not None
    assert (following.state, following.attempts) == ("done", 1)


def test_a_job_can_be_asked_for(store: EventStore) -> None:
    """Done: it runs once more, beside its schedule. Given up: its slot is tried anew, at once."""
    job = Job("count", Every.WEEK, Counting(failures=0))
    run_if_due(job, store, at(NOW))
    claiming.ask("count", NOW)
    again = run_if_due(job, store, at(NOW + MINUTE))
    assert again is not None
    assert (again.asked, again.state) == (True, "done")
    assert run_if_due(job, store, at(NOW + 2 * MINUTE)) is None
    JobRun.objects.filter(asked=False).update(state="given-up", next_try=NOW + timedelta(hours=1))
    claiming.ask("count", NOW)
    mended = run_if_due(job, store, at(NOW + 3 * MINUTE))
    assert mended is not None
    assert (mended.key, mended.asked, mended.state, mended.attempts) == ("2026-W47", False, "done", 1)


def test_a_clock_that_jumps_back_repeats_nothing_and_one_that_was_far_ahead_holds_nothing_up(store: EventStore) -> None:
    work = Counting()
    job = Job("count", Every.MINUTE, work)
    run_if_due(job, store, at(NOW))
    for back in (1, 2, 9):
        assert run_if_due(job, store, at(NOW - back * MINUTE)) is None
    runs = work.runs
    run_if_due(job, store, at(NOW + timedelta(days=365)))  # the clock was wrong
    assert work.runs == runs + 1
    assert run_if_due(job, store, at(NOW + MINUTE)) is not None


def test_a_job_that_hangs_is_said_once_and_keeps_its_lease(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "LEASE", timedelta(milliseconds=40))
    began, finish, moment = threading.Event(), threading.Event(), [NOW]

    def slow(store: EventStore, now: datetime) -> str:
        began.set()
        assert finish.wait(PATIENCE)
        return ""

    supervisor = Supervisor(store, (Job("slow", Every.MINUTE, slow),), clock=lambda: moment[0], look_seconds=3600)
    with capture_logs() as logs:
        supervisor.start()
        assert began.wait(PATIENCE)
        moment[0] = NOW + timedelta(hours=1)
        while JobRun.objects.get().lease != moment[0] + claiming.LEASE:
            assert supervisor._threads[0].is_alive()
        threading.Event().wait(0.1)
        finish.set()
        supervisor.stop(PATIENCE)
    assert [e["job"] for e in logs if e["event"] == "jobs.hanging"] == ["slow"]


def test_the_threads_run_and_stop(store: EventStore) -> None:
    """Two jobs by a real clock, one of which always fails; neither keeps the other, both end."""
    good, bad = Counting(), Counting(failures=10**9)
    jobs = (Job("good", Every.HOUR, good), Job("bad", Every.HOUR, bad))
    supervisor = Supervisor(store, jobs, look_seconds=0.01)
    supervisor.start()
    assert good.ran.wait(PATIENCE)
    assert bad.ran.wait(PATIENCE)
    supervisor.stop(PATIENCE)
    assert not [t for t in threading.enumerate() if t.name in {"job-good", "job-bad"}]
    assert {r.job: r.state for r in JobRun.objects.all()} == {"good": "done", "bad": "failed"}


def test_a_failing_database_is_met_with_growing_waits_and_one_traceback(store: EventStore) -> None:
    """What fails before a run has its row: nothing is written down, so the waits are kept in memory."""
    asked: list[int] = []
    enough = threading.Event()

    def broken_clock() -> datetime:
        if threading.current_thread().name == "job-never":
            raise OperationalError("database or disk is full")
        return NOW

    def back_off(failures: int) -> timedelta:
        asked.append(failures)
        if failures == 4:
            enough.set()
        return timedelta(milliseconds=1)

    work = Counting()
    job = Job("never", Every.MINUTE, work)
    supervisor = Supervisor(store, (job,), clock=broken_clock, look_seconds=3600, back_off=back_off)
    with capture_logs() as logs:
        supervisor.start()
        assert enough.wait(PATIENCE)
        supervisor.stop(PATIENCE)
    told = [entry for entry in logs if entry["event"] == "jobs.supervisor_failed"]
    assert asked[:4] == [1, 2, 3, 4]
    assert [entry["failures"] for entry in told][:4] == [1, 2, 3, 4]
    assert [bool(entry.get("exc_info")) for entry in told][:4] == [True, False, False, False]
    assert work.runs == 0
    assert not JobRun.objects.exists()


def test_a_run_whose_end_could_not_be_written_is_done_again(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full for the one write that ends a run; afterwards the job must not stand still for ever."""
    save, failures = JobRun.save, [1]

    def full_once(run: JobRun, *args: object, **kwargs: object) -> None:
        if failures and run.finished is not None:
            failures.clear()
            raise OperationalError("database or disk is full")
        save(run, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(JobRun, "save", full_once)
    again = threading.Event()

    class Twice(Counting):
        def __call__(self, store: EventStore, now: datetime) -> str:
            said = super().__call__(store, now)
            if self.runs == 2:
                again.set()
            return said

    job = Job("count", Every.WEEK, Twice())
    supervisor = Supervisor(store, (job,), look_seconds=0.01, back_off=lambda _: timedelta(milliseconds=1))
    supervisor.start()
    assert again.wait(PATIENCE)
    supervisor.stop(PATIENCE)
    assert [(r.state, r.result, r.attempts) for r in JobRun.objects.all()] == [("done", "run 2", 2)]


def test_a_supervisor_says_since_when_it_runs(store: EventStore) -> None:
    supervisor = Supervisor(store, (), clock=at(NOW))
    assert supervised_since() is None
    supervisor.start()
    assert supervised_since() == NOW
    supervisor.stop()
    assert supervised_since() is None


def test_the_newest_success_is_kept_however_old(store: EventStore) -> None:
    run_if_due(Job("count", Every.WEEK, Counting()), store, at(NOW))
    run_if_due(Job("count", Every.WEEK, Counting(failures=1)), store, at(NOW + timedelta(days=9)))
    assert [r.state for r in JobRun.objects.order_by("key")] == ["done", "failed"]


def test_stopping_lets_a_running_job_finish(store: EventStore) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(store: EventStore, now: datetime) -> str:
        begun.set()
        assert finish.wait(PATIENCE)
        return "whole"

    supervisor = Supervisor(store, (Job("slow", Every.HOUR, slow),), look_seconds=0.01)
    supervisor.start()
    assert begun.wait(PATIENCE)
    threading.Timer(0.05, finish.set).start()
    supervisor.stop(PATIENCE)
    assert JobRun.objects.get().result == "whole"


def test_the_centre_s_own_jobs_find_and_report(store: EventStore, members: list[Member]) -> None:
    """Detections, trends and last week's reports, for real, each done once."""
    from cyberalarm.central.reports.models import Report

    Report.objects.all().delete()
    Member.objects.update(created=NOW - timedelta(days=30))
    monday = datetime(2026, 11, 9, 10, tzinfo=UTC)
    rows = [
        {
            "time": monday + n * timedelta(seconds=10),
            "sensor": "firewall",
            "action": "blocked",
            "direction": "inbound",
            "src_ip": "198.18.0.9",
            "dst_ip": "203.0.113.10",
            "dst_port": 22,
            "protocol": 6,
        }
        for n in range(40)
    ]
    one = members[0]
    store.insert(with_origin(table_of(rows), Origin(one.pk, 1, 1, one.force, one.region, monday)))
    runs = [run_if_due(job, store, at(NOW)) for job in default_jobs()]
    assert [(run.job, run.state) for run in runs if run] == [
        ("detections", "done"), ("alarms", "done"), ("alarm-mails", "done"), ("tidy", "done"), ("trends", "done"),
        ("sources", "done"), ("reports", "done"), ("keys", "done"), ("audit", "done"), ("monthly-trends", "done"),
    ]  # fmt: skip
    assert Finding.objects.get(rule="ssh-guessing").member == one
    assert Report.objects.filter(member=one).count() == 1
    # One for each of four members; the nation, three regions and three forces, for the week and for the month.
    assert Report.objects.count() == 4 + 2 * (1 + len({m.region for m in members}) + 3)
    Report.objects.all().delete()


def test_who_joined_since_has_a_report_only_about_old_logs(store: EventStore, members: list[Member]) -> None:
    from cyberalarm.central.reports.models import Report

    Report.objects.all().delete()
    Member.objects.update(created=NOW)
    replayed = members[1]
    row = {"time": NOW - timedelta(days=2), "sensor": "firewall", "action": "blocked", "src_ip": "198.18.0.9"}
    origin = Origin(replayed.pk, 2, 1, replayed.force, replayed.region, NOW)
    store.insert(with_origin(table_of([row]), origin))
    [job] = [job for job in default_jobs() if job.name == "reports"]
    assert run_if_due(job, store, at(NOW + timedelta(hours=1)))
    assert [report.member for report in Report.objects.exclude(member=None)] == [replayed]
    Report.objects.all().delete()
