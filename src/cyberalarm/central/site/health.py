"""How the centre is: what an operator should look at, with what to do about it.

`examine` looks at everything and is for operators: the console's page and the command line. `fit` is what `/healthz` asks,
open to everybody: it looks only at what keeps the centre from its work, and says yes or no.

Both belong into the serving process, which holds the event store and runs the jobs; in another one they say that no
centre runs. Neither changes anything, and neither raises: what cannot be looked at is not good.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from cyberalarm.central import roles
from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.backup.notes import last_backup
from cyberalarm.central.enrolment.keys import certificate_paths
from cyberalarm.central.enrolment.problems import refused_since_start
from cyberalarm.central.events import store as event_store
from cyberalarm.central.findings.backlog import Standing, standing
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.jobs.models import JobRun
from cyberalarm.central.jobs.schedule import late, long_after
from cyberalarm.central.jobs.supervisor import supervised_since
from cyberalarm.central.jobs.work import default_jobs
from cyberalarm.central.members.models import Collector
from cyberalarm.central.releases import services as releases
from cyberalarm.central.roles import Role
from cyberalarm.central.site.certificate import valid_until
from cyberalarm.core.alarm import FORMAT_KINDS
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.jobs.work import Job

log = structlog.get_logger(__name__)

# Room for the largest envelope (64 MiB) as it came, its rows, and both databases' journals, before anything fails.
LEAST_FREE = 256 * 1024 * 1024
# The next certificate is announced to collectors for 14 days before it is used, and people take weeks to begin.
WARN_DAYS = 60
_LOOK_BACK = timedelta(hours=24)
_OLD_BACKUP = timedelta(days=2)
_GIB = 1024**3
_MOST_NAMED = 5  # of what collectors say of themselves, most often first


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `grave`: not good, and the centre cannot do its work because of it."""

    name: str
    good: bool
    words: str
    next_step: str = ""
    grave: bool = False


def examine() -> list[Check]:
    """Look at everything."""
    return [*_vital(), *(_guarded(name, look) for name, look in _OTHERS)]


def fit() -> bool:
    """Can the centre do its work? What keeps it from it is logged by name."""
    grave = [check.name for check in _vital() if check.grave]
    if grave:
        log.warning("site.unhealthy", failing=grave)
    return not grave


def parts() -> list[Check]:
    """What this process needs to answer at all: the parts that readiness is made of."""
    config: CentralConfig = settings.CONFIG
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("Relational database", _database),
        ("Event store", _events),
        *([("Receiving", _receiving)] if Role.INGEST in roles.here() else []),
        ("Disk", lambda: disk(shutil.disk_usage(_existing(config.data)).free)),
    ]
    return [_guarded(name, look) for name, look in looks]


def _vital() -> list[Check]:
    config: CentralConfig = settings.CONFIG
    now = timezone.now()
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("Certificate", lambda: certificate(valid_until(certificate_paths(config)), now)),
        *((f"Job: {job.name}", _job_look(job, now)) for job in default_jobs()),
    ]
    return [*parts(), *(_guarded(name, look) for name, look in looks)]


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    """What cannot be looked at is not good."""
    try:
        return look()
    except CyberAlarmError as error:
        return Check(name, good=False, words=error.what, next_step=error.next_step, grave=True)
    except (DatabaseError, OSError) as error:
        words = f"Could not be looked at: {type(error).__name__}."
        return Check(name, good=False, words=words, next_step="See the centre's log.", grave=True)


def _database() -> Check:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Check("Relational database", good=True, words="It answers.")


def _events() -> Check:
    rows, size = event_store.current().size()
    return Check("Event store", good=True, words=f"It answers: {rows:,} rows in {size / _GIB:.1f} GiB.")


def _receiving() -> Check:
    if ingest.receiving():
        return Check("Receiving", good=True, words="Envelopes are taken.")
    words = "No envelope is taken: the part that stores them does not run."
    return Check("Receiving", good=False, words=words, next_step="Start the centre again.", grave=True)


def disk(free: int) -> Check:
    """Judge the bytes that are free on the data folder's disk."""
    if free >= LEAST_FREE:
        return Check("Disk", good=True, words=f"{free / _GIB:.1f} GiB free.")
    return Check(
        "Disk",
        good=False,
        words=f"Only {free // 2**20} MiB free; below {LEAST_FREE // 2**20} MiB bundles may be refused.",
        next_step="Make room on the disk of the data folder (docs/operating.md).",
        grave=True,
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def certificate(until: datetime, now: datetime) -> Check:
    """Judge the end of the TLS certificate's validity."""
    days = (until - now) // timedelta(days=1)
    if until <= now:
        words = f"Expired on {until:%d %B %Y}: no new browser or collector trusts the centre."
        return Check("Certificate", good=False, words=words, next_step=_REPLACE, grave=True)
    words = f"Valid for {days} days, until {until:%d %B %Y}."
    good = days >= WARN_DAYS
    return Check("Certificate", good=good, words=words, next_step="" if good else _REPLACE)


_REPLACE = "Replace it: cyberalarm central rotate-key certificate (docs/operating.md)."


def _job_look(job: Job, now: datetime) -> Callable[[], Check]:
    def look() -> Check:
        runs = JobRun.objects.filter(job=job.name).order_by("-started", "-id")
        done = runs.filter(state=JobRun.State.DONE).first()
        return judged_job(job, runs.first(), done.finished if done else None, supervised_since(), now)

    return look


def judged_job(job: Job, last: JobRun | None, done: datetime | None, since: datetime | None, now: datetime) -> Check:
    """Judge a job by its latest run, its last success, and since when this process runs it."""
    name = f"Job: {job.name}"
    words = f"Last done on {done.astimezone(UTC):%d %B %Y at %H:%M} UTC." if done else "Not done yet."
    given_up = last is not None and last.state == JobRun.State.GIVEN_UP
    failed = given_up or (last is not None and last.state == JobRun.State.FAILED)
    if last is not None and failed:
        words += f" Failed {last.attempts} times in a row: {last.result}."
    if given_up:
        words += " It is not tried again before its next time."
    hangs = last is not None and last.state == JobRun.State.RUNNING and now - last.started > long_after(job.every)
    if last is not None and hangs:
        words += f" It has been running since {last.started.astimezone(UTC):%d %B at %H:%M} UTC, which is too long."
    is_late = late(job.every, now, done, since)
    step = "See the centre's log for this job; it is tried again by itself." if failed or is_late else ""
    if given_up:
        step = "Mend what its code says, then run it again on the page of jobs."
    elif hangs:
        step = "Restarting the process that runs it cuts it off; it is then done again (docs/operating.md)."
    return Check(name, good=not (failed or is_late or hangs), words=words, next_step=step, grave=is_late)


def _refusals() -> Check:
    """Of collectors by the note on each; of all requests, also of strangers, by this process's counters."""
    recent = Collector.objects.filter(refused_at__gte=timezone.now() - _LOOK_BACK)
    by_code = Counter(recent.values_list("refused_code", flat=True))
    named = ", ".join(f"{code} {count:,}" for code, count in by_code.most_common()) or "none"
    counted = ", ".join(f"{code} {count:,}" for code, count in refused_since_start().items()) or "none"
    words = f"Collectors refused in the last 24 hours, by their last code: {named}. Requests refused since the start: {counted}."
    step = "The console's overview lists these collectors; docs/collector-api.md explains the codes." if by_code else ""
    return Check("Refusals", good=not by_code, words=words, next_step=step)


def _collectors() -> Check:
    """How many collectors have a receipted envelope, and how fresh the newest is."""
    enrolled = Collector.objects.filter(status=Collector.Status.ENROLLED)
    stored = Envelope.objects.filter(state=Envelope.State.STORED, collector__in=enrolled)
    everybody = enrolled.count()
    ever = stored.values("collector").distinct().count()
    fresh = stored.filter(received__gte=timezone.now() - _LOOK_BACK).values("collector").distinct().count()
    words = (
        f"{everybody:,} enrolled. Newest envelope within 24 hours: {fresh:,}; older: {ever - fresh:,};"
        f" none yet: {everybody - ever:,}."
    )
    return Check("Collectors", good=True, words=words)


def _formats() -> Check:
    """Devices whose lines are no longer what they were, and devices that have fallen silent."""
    changed: set[tuple[int, str]] = set()
    silent: set[tuple[int, str]] = set()
    products: set[str] = set()
    rows = Alarm.objects.standing().filter(collector__status=Collector.Status.ENROLLED)
    kinds = [*(kind.value for kind in FORMAT_KINDS), Kind.DEVICE_SILENT.value]
    for collector, device, kind, product in rows.filter(kind__in=kinds).values_list(
        "collector", "device", "kind", "product"
    ):
        (silent if kind == Kind.DEVICE_SILENT else changed).add((collector, device))
        products |= {product} - {""}
    return formats(len(changed), len(silent), sorted(products))


def _alarms() -> Check:
    """How many alarms of each kind stand."""
    counted = Counter(
        Alarm.objects.standing().filter(collector__status=Collector.Status.ENROLLED).values_list("kind", flat=True)
    )
    named = ", ".join(f"{Kind(kind).label.lower()} {count:,}" for kind, count in counted.most_common()) or "none"
    return Check("Alarms", good=True, words=f"Standing: {named}. The page of collectors lists them.")


def formats(changed: int, silent: int, products: list[str]) -> Check:
    """Judge how many devices' formats have changed; silence is their members' matter."""
    words = {0: "No device's format has changed.", 1: "1 device's format has changed."}.get(
        changed, f"{changed:,} devices' formats have changed."
    )
    if products:
        words += f" Fields are missing of {', '.join(products)}."
    words += f" Fallen silent: {silent:,}."
    return Check("Formats", good=not changed, words=words, next_step=_NEW_FORMAT if changed else "")


_NEW_FORMAT = (
    "The members' collector pages say which. Ask for the device and its version, and for redacted samples"
    " (cyberalarm collector samples); its pack may need an update."
)


def _packs() -> Check:
    release = releases.current()
    if release is None:
        words = "No pack release is published: collectors use the packs of their program."
    else:
        words = f"Release {release.number} with {len(release.packs)} packs, published on {release.published:%d %B %Y}."
    use = releases.use()
    told = [f"{_release_named(number)}: {count:,}" for number, count in use.releases.most_common(_MOST_NAMED)]
    if told:
        words += f" Used by enrolled collectors: {', '.join(told)}."
    if not use.refusals:
        return Check("Packs", good=True, words=words)
    named = ", ".join(f"{code} {count:,}" for code, count in use.refusals.most_common(_MOST_NAMED))
    step = "Collectors' pages say which; docs/collector.md explains the codes."
    return Check("Packs", good=False, words=f"{words} Some do not use a release: {named}.", next_step=step)


def _release_named(number: int | None) -> str:
    match number:
        case None:
            return "not known yet"
        case 0:
            return "their program's own"
    return f"release {number}"


def _backlog() -> Check:
    return backlog(standing())


def backlog(held: Standing) -> Check:
    """Judge what detections still have to look at."""
    words = f"{held.waiting} older parts wait, {held.failing} are tried again, {held.given_up} were given up."
    if held.given_up:
        step = "The log says which rule and member (findings.given_up); new events of the member are looked at afresh."
        return Check("Detections of older events", good=False, words=words, next_step=step)
    return Check(
        "Detections of older events",
        good=not held.failing,
        words=words,
        next_step="They are tried again by themselves.",
    )


def _backups() -> Check:
    """How old the newest backup is. None at all is not judged: an operator may have a way of his own."""
    config: CentralConfig = settings.CONFIG
    made = last_backup(config.data)
    if made is None:
        return Check("Backup", good=True, words="None was made yet by this program's own command (docs/operating.md).")
    old = timezone.now() - made > _OLD_BACKUP
    words = f"The newest was made on {made.astimezone(UTC):%d %B %Y at %H:%M} UTC."
    return Check("Backup", good=not old, words=words, next_step="Make one: cyberalarm central backup." if old else "")


_OTHERS: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("Refusals", _refusals),
    ("Collectors", _collectors),
    ("Formats", _formats),
    ("Alarms", _alarms),
    ("Packs", _packs),
    ("Detections of older events", _backlog),
    ("Backup", _backups),
)
