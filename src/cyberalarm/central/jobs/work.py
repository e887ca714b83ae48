"""What the scheduled jobs do. Each is safe to run twice and says in words what it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from cyberalarm.central.alarms import learning, mailing
from cyberalarm.central.alarms import services as alarms
from cyberalarm.central.audit import services as audit
from cyberalarm.central.enrolment import key_rotation
from cyberalarm.central.enrolment.services import configuration
from cyberalarm.central.findings import services as findings
from cyberalarm.central.findings.rule import Kind
from cyberalarm.central.ingest import totals
from cyberalarm.central.members.models import Member
from cyberalarm.central.sources import services as sources
from cyberalarm.core.places import Scope, forces

from .errors import JobFailedError
from .schedule import LONDON, Every

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do once in every slot. `run` gets the store and the moment it was started for."""

    name: str
    every: Every
    run: Callable[[EventStore, datetime], str]
    about: str = ""  # for operators


def default_jobs() -> tuple[Job, ...]:
    """What the centre does by itself."""
    return (
        Job("detections", Every.MINUTE, run_detections, "Detection rules over what was newly stored"),
        Job("alarms", Every.MINUTE, run_alarms, "Alarms about devices and collectors begin and end"),
        Job("alarm-mails", Every.MINUTE, send_alarm_mails, "Members are written to about new alarms"),
        Job("tidy", Every.HOUR, tidy, "Old counts and alarms are forgotten"),
        Job("trends", Every.HOUR, run_trends, "Rules that compare a day with the days before"),
        Job("sources", Every.HOUR, publish_sources, "The list of sources for all collectors"),
        Job("reports", Every.WEEK, make_reports, "Last week’s reports"),
        Job("keys", Every.HOUR, change_keys, "Announced keys of the centre come into use"),
        Job("audit", Every.DAY, check_audit, "The audit’s chain is checked row by row"),
        Job("monthly-trends", Every.MONTH, make_monthly_trends, "Last month’s trend reports"),
    )


def run_detections(store: EventStore, now: datetime) -> str:
    """Rules over windows of time, on what was stored since the last run."""
    result = findings.run(store, now, Scope.national(), kinds=(Kind.WINDOW,))
    return f"{result.created} new findings, {result.updated} continued"


def run_alarms(_store: EventStore, now: datetime) -> str:
    """What has gone wrong between members' devices and us since the last look, and what is well again."""
    from cyberalarm.central.jobs.supervisor import supervised_since

    changes = alarms.evaluate(now, supervised_since() or now)
    learnt = learning.learn()
    return f"{changes.begun} begun, {changes.ended} ended, {changes.standing} stand; {learnt} pauses learnt"


def send_alarm_mails(_store: EventStore, now: datetime) -> str:
    """Write to members about new alarms: a job of its own, since a mail server may take its time."""
    sent = mailing.send(now)
    words = "1 member was written to" if sent.members == 1 else f"{sent.members} members were written to"
    return f"{words}; then the mail server failed: {sent.failed}" if sent.failed else words


def tidy(_store: EventStore, now: datetime) -> str:
    """Forget counts by the hour and day that no page shows any more, and alarms that ended long ago."""
    return f"{totals.forget_spans(now)} counts and {alarms.forget(now)} alarms forgotten"


def change_keys(_store: EventStore, now: datetime) -> str:
    """Bring keys of the centre's into use that were announced long enough ago."""
    changed = key_rotation.carry_out_due(configuration(), now)
    return f"Changed: {', '.join(changed)}" if changed else "None is due"


def run_trends(store: EventStore, now: datetime) -> str:
    """Rules that compare a day with the days before; they read weeks of events, so hourly is often enough."""
    result = findings.run(store, now, Scope.national(), kinds=(Kind.RISING,))
    return f"{result.created} new findings, {result.updated} continued"


def publish_sources(store: EventStore, now: datetime) -> str:
    """The list of sources seen across the network, for all collectors."""
    return sources.as_words(sources.publish(store, now))


def check_audit(_store: EventStore, _now: datetime) -> str:
    """Every row of the audit against the one before. Raises ChainBrokenError, which operators must see."""
    return f"{audit.verify_chain():,} rows, and none was changed"


def make_monthly_trends(store: EventStore, now: datetime) -> str:
    """Last month's trend reports, for the nation and each place that has members. Raises JobFailedError when one failed."""
    from cyberalarm.central.reports import services as reports
    from cyberalarm.central.reports.period import Period

    today = now.astimezone(LONDON).date()
    last = today.replace(day=1) - timedelta(days=1)
    period = Period.ending(last, last.day)
    failed, scopes = 0, _scopes(list(Member.objects.filter(status=Member.Status.APPROVED)))
    for scope in scopes:
        try:
            reports.make_trend_report(store, scope, period, now)
        except Exception as error:
            log.exception("jobs.report_failed", scope=scope.name, error=type(error).__name__)
            failed += 1
    if failed:
        raise JobFailedError(f"{failed} of {len(scopes)} reports could not be made.")
    return f"{len(scopes)} for {last:%B %Y}"


def make_reports(store: EventStore, now: datetime) -> str:
    """Last week's report for every member, and trend reports for the nation and each place that has members.

    One report that fails does not keep the others; raises JobFailedError at the end, so that it is tried
    again.
    """
    from cyberalarm.central.reports import services as reports
    from cyberalarm.central.reports.period import Period

    period = Period.last_week(now)
    # Who joined since has no week to be told of, unless old logs were replayed.
    active = {
        row.number("member")
        for row in store.query("active_members", Scope.national(), start=period.start, end=period.end)
    }
    approved = Member.objects.filter(status=Member.Status.APPROVED).order_by("pk")
    members = [one for one in approved if one.created < period.end or one.pk in active]
    made = failed = 0
    waiting = members
    while waiting:
        try:
            for _ in reports.make_member_reports(store, waiting, period, now):
                waiting, made = waiting[1:], made + 1
        except Exception as error:
            log.exception("jobs.report_failed", member=waiting[0].reference, error=type(error).__name__)
            waiting, failed = waiting[1:], failed + 1
    for scope in _scopes(members):
        try:
            reports.make_trend_report(store, scope, period, now)
            made += 1
        except Exception as error:
            log.exception("jobs.report_failed", scope=scope.name, error=type(error).__name__)
            failed += 1
    if failed:
        raise JobFailedError(f"{failed} of {made + failed} reports could not be made.")
    return "1 report" if made == 1 else f"{made} reports"


def _scopes(members: list[Member]) -> list[Scope]:
    codes = {member.force for member in members if member.force in forces()}
    regions = {forces()[code].region for code in codes}
    return [
        Scope.national(),
        *(Scope.of_region(code) for code in sorted(regions)),
        *(Scope.of_force(code) for code in sorted(codes)),
    ]
