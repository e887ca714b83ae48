"""The centre's figures for Prometheus: what this process counts, and what is looked up when they are fetched.

Off unless the configuration says `metrics = true`; then `GET /metrics` gives them to whoever has the token in
`<data>/secrets/metrics`. No address, name, reference or token is among the figures, and every label comes from a closed list
(checks, jobs, kinds, areas of the site, codes of refusals), so their number is bounded.

What is looked up needs a database; where it cannot be had, what this process counts is given all the same, and
`cyberalarm_figures_failed` says so.
"""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Max
from django.utils import timezone
from prometheus_client import REGISTRY, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from cyberalarm import __version__
from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.backup.notes import last_backup
from cyberalarm.central.config import secret_file
from cyberalarm.central.enrolment.keys import certificate_paths
from cyberalarm.central.events import store as event_store
from cyberalarm.central.findings.backlog import standing
from cyberalarm.central.jobs.models import JobRun
from cyberalarm.central.jobs.work import default_jobs
from cyberalarm.central.members.models import Collector
from cyberalarm.central.site import health
from cyberalarm.central.site.certificate import valid_until
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cyberalarm.central.config import CentralConfig

log = structlog.get_logger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TOKEN = "metrics"  # noqa: S105 - the name of the secret's file
AREAS = ("police", "member", "api", "account", "static", "other")

REQUESTS = Counter("cyberalarm_http_requests", "Requests answered, by area of the site and status.", ["area", "status"])
SECONDS = Histogram(
    "cyberalarm_http_seconds",
    "Time from a request's beginning to its answer, by area of the site.",
    ["area"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def area_of(path: str) -> str:
    """The area of the site that an address belongs to; of a closed list."""
    first = path.lstrip("/").partition("/")[0]
    return first if first in AREAS else "other"


def may_fetch(config: CentralConfig, authorization: str) -> bool:
    """Does this header carry the token? Never when metrics are off."""
    if not config.metrics:
        return False
    expected = f"Bearer {secret_file(config, TOKEN)}"
    return secrets.compare_digest(authorization.encode("utf-8", "replace"), expected.encode("ascii"))


def exposition() -> bytes:
    """All figures in Prometheus' text format."""
    return generate_latest(REGISTRY)


class _Looked:
    """Looks things up at each fetch."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is looked up when this is registered."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        meaning = "1 for each group of figures that could not be had."
        failed = GaugeMetricFamily("cyberalarm_figures_failed", meaning, labels=["group"])
        for group, look in _GROUPS.items():
            try:
                found = list(look())
            except (CyberAlarmError, DatabaseError, OSError) as error:
                log.warning("site.figures_failed", group=group, error=type(error).__name__)
                failed.add_metric([group], 1)
            else:
                failed.add_metric([group], 0)
                yield from found
        yield failed


def _one(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"cyberalarm_{name}", meaning, value=value)


def _by(name: str, meaning: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"cyberalarm_{name}", meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _program() -> Iterator[GaugeMetricFamily]:
    yield _by("centre_info", "1, with the version of the program as label.", "version", {__version__: 1})
    checks = {check.name.lower().replace(" ", "-"): float(check.good) for check in health.parts()}
    yield _by("part_good", "1 while a part of the centre can do its work.", "part", checks)


def _disk() -> Iterator[GaugeMetricFamily]:
    config: CentralConfig = settings.CONFIG
    usage = shutil.disk_usage(config.data)
    yield _one("disk_free_bytes", "Bytes free on the data folder's disk.", usage.free)
    yield _one("disk_size_bytes", "Bytes of the data folder's disk.", usage.total)
    until = valid_until(certificate_paths(config))
    yield _one(
        "certificate_expiry_time_seconds", "When the TLS certificate ends, seconds since 1970.", until.timestamp()
    )
    last = last_backup(config.data)
    yield _one(
        "last_backup_time_seconds", "When the newest backup was made, seconds since 1970; 0: none.", _seconds(last)
    )


def _events() -> Iterator[GaugeMetricFamily]:
    rows, size = event_store.current().size()
    yield _one("event_store_rows", "Rows of events in the event store.", rows)
    yield _one("event_store_bytes", "Bytes that they take on disk.", size)


def _network() -> Iterator[GaugeMetricFamily]:
    counted = dict(Collector.objects.values_list("status").annotate(number=Count("pk")).order_by())
    statuses = {str(status): float(counted.get(status, 0)) for status in Collector.Status.values}
    yield _by("collectors", "Collectors, by status.", "status", statuses)
    heard = Collector.objects.aggregate(newest=Max("last_seen"))["newest"]
    yield _one(
        "last_heard_time_seconds", "When any collector was last heard, seconds since 1970; 0: never.", _seconds(heard)
    )
    standing_now = dict(Alarm.objects.standing().values_list("kind").annotate(number=Count("pk")).order_by())
    kinds = {str(kind): float(standing_now.get(kind, 0)) for kind in Kind.values}
    yield _by("alarms", "Alarms that stand, by kind.", "kind", kinds)
    held = standing()
    backlog = {"waiting": float(held.waiting), "failing": float(held.failing), "given-up": float(held.given_up)}
    yield _by("detection_backlog", "Older parts that detections have not looked at, by state.", "state", backlog)


def _jobs() -> Iterator[GaugeMetricFamily]:
    now = timezone.now()
    done: dict[str, float] = {}
    failures: dict[str, float] = {}
    running: dict[str, float] = {}
    for job in default_jobs():
        runs = JobRun.objects.filter(job=job.name).order_by("-started", "-id")
        last, good = runs.first(), runs.filter(state=JobRun.State.DONE).first()
        failed = last is not None and last.state in (JobRun.State.FAILED, JobRun.State.GIVEN_UP)
        done[job.name] = _seconds(good.finished if good else None)
        failures[job.name] = float(last.attempts) if last and failed else 0.0
        at_work = last is not None and last.state == JobRun.State.RUNNING
        running[job.name] = max((now - last.started).total_seconds(), 0.0) if last and at_work else 0.0
    yield _by("job_done_time_seconds", "When a job was last done, seconds since 1970; 0: never.", "job", done)
    yield _by("job_failures", "How often in a row a job has failed by now.", "job", failures)
    yield _by("job_running_seconds", "For how long a job has been running; 0 while it does not.", "job", running)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


_GROUPS: dict[str, Callable[[], Iterator[GaugeMetricFamily]]] = {
    "program": _program,
    "disk": _disk,
    "events": _events,
    "network": _network,
    "jobs": _jobs,
}
REGISTRY.register(_Looked())
