"""What an operator can ask a centre to do, from the command line or through the control socket."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from cyberalarm.central.alarms import services as alarms
from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.alarms.words import words_of
from cyberalarm.central.backup import moment
from cyberalarm.central.console.collectors import Filter, alarms_in
from cyberalarm.central.enrolment import key_rotation
from cyberalarm.central.enrolment.key_rotation import CentreKey
from cyberalarm.central.findings import services as findings
from cyberalarm.central.jobs.supervisor import supervised_since
from cyberalarm.central.members.models import Member
from cyberalarm.central.reports import services as reports
from cyberalarm.central.reports.models import FILES
from cyberalarm.central.reports.period import Period
from cyberalarm.central.site import health
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.reports.models import Report


class MadeReport(TypedDict):
    """A report that was made, and the folder its files lie in."""

    reference: str
    title: str
    folder: str
    files: list[str]


class StatusRow(TypedDict):
    """One thing that was looked at."""

    name: str
    good: bool
    words: str
    next_step: str
    grave: bool


def detect(store: EventStore) -> str:
    """Run the detection rules over what was stored since the last run."""
    result = findings.run(store, datetime.now(UTC), Scope.national())
    return f"{result.created} new findings, {result.updated} continued"


def make_reports(store: EventStore, data: Path, last: date | None, days: int, only: list[str]) -> list[MadeReport]:
    """Make every member's report and the national trend report, or only those of the named members.

    The period ends on `last` (yesterday if None) and has `days` days. Raises ConfigurationError for an unknown member or period.
    """
    now = datetime.now(UTC)
    try:
        period = Period.last_week(now) if last is None and days == 7 else _period(now, last, days)
    except ValueError as error:
        raise ConfigurationError(f"This is not a period: {error}.") from error
    members = Member.objects.filter(status=Member.Status.APPROVED)
    if only:
        members = members.filter(reference__in=only)
        unknown = set(only) - set(members.values_list("reference", flat=True))
        if unknown:
            raise ConfigurationError(f"No approved member has the reference {', '.join(sorted(unknown))}.")
    made = [_made(data, r) for r in reports.make_member_reports(store, list(members), period, now)]
    if not only:
        made.append(_made(data, reports.make_trend_report(store, Scope.national(), period, now)))
    return made


def _period(now: datetime, last: date | None, days: int) -> Period:
    return Period.ending(last or Period.last_week(now).last, days)


def _made(data: Path, report: Report) -> MadeReport:
    title = f"{report.get_kind_display()}: {report.member.name if report.member else report.scope.name}"
    folder = data / report.folder
    return {"reference": report.reference, "title": title, "folder": str(folder), "files": list(FILES.values())}


def stored_lines(store: EventStore) -> dict[str, int]:
    """Kept lines in the event store for every member, by reference."""
    start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    return {
        member.reference: store.query("sums", Scope.of_member(member.pk), start=start, end=end)[0].number("total")
        for member in Member.objects.all()
    }


def status() -> list[StatusRow]:
    """How the centre is, thing by thing; only the serving process can tell."""
    return [
        {"name": c.name, "good": c.good, "words": c.words, "next_step": c.next_step, "grave": c.grave}
        for c in health.examine()
    ]


class AlarmRow(TypedDict):
    """One alarm that stands. Devices appear by their references."""

    since: str
    kind: str
    force: str
    member: str
    collector: str
    device: str
    words: str
    version: str


def standing_alarms(kind: str) -> list[AlarmRow]:
    """What stands at any collector, longest first; of one kind, if it is given. Raises ConfigurationError for an unknown kind."""
    if kind and kind not in Kind.values:
        raise ConfigurationError(f"There is no kind of alarm {kind!r}.", next_step=f"Known: {', '.join(Kind.values)}.")
    return [
        {
            "since": alarm.began.isoformat(timespec="seconds"),
            "kind": alarm.kind,
            "force": alarm.collector.site.member.force,
            "member": alarm.collector.site.member.reference,
            "collector": alarm.collector.reference,
            "device": alarm.device,
            "words": words_of(alarm).seen,
            "version": alarm.collector.version,
        }
        for alarm in alarms_in(Scope.national(), Filter(kind))
    ]


def look_for_alarms() -> str:
    """Begin and end alarms now, as the serving process does each minute."""
    now = datetime.now(UTC)
    changes = alarms.evaluate(now, supervised_since() or now)
    return f"{changes.begun} begun, {changes.ended} ended"


def rotate(
    config: CentralConfig, which: str, why: str, *, now: bool = False, files: Path | None = None
) -> dict[str, str | None]:
    """Replace one of the centre's keys; `due` is when it will be, None when it is done. Raises ConfigurationError,
    ActRefusedError.
    """
    if which not in set(CentreKey):
        raise ConfigurationError(f"There is no key {which!r}.", next_step=f"One of: {', '.join(CentreKey)}.")
    due = key_rotation.rotate(config, CentreKey(which), None, why, now=now, files=files)
    return {"key": which, "due": due.isoformat() if due else None}


def control_commands(store: EventStore, config: CentralConfig) -> dict[str, Callable[[Mapping[str, object]], object]]:
    """The commands of the control socket."""

    def report(request: Mapping[str, object]) -> object:
        last, days, only = request.get("last"), request.get("days", 7), request.get("only", [])
        if not isinstance(days, int) or not isinstance(only, list):
            raise ConfigurationError("`days` must be a number and `only` a list of references.")
        day = date.fromisoformat(last) if isinstance(last, str) else None
        return make_reports(store, config.data, day, days, [str(reference) for reference in only])

    def rotated(request: Mapping[str, object]) -> object:
        files = request.get("files")
        return rotate(
            config,
            str(request.get("which")),
            str(request.get("why", "")),
            now=request.get("now") is True,
            files=Path(files) if isinstance(files, str) else None,
        )

    def hold(request: Mapping[str, object]) -> object:
        return moment.hold(config, store, str(request.get("name")))

    return {
        "backup-hold": hold,
        "ping": lambda _: "here",
        "detect": lambda _: detect(store),
        "report": report,
        "rotate": rotated,
        "stored": lambda _: stored_lines(store),
        "status": lambda _: status(),
        "look": lambda _: look_for_alarms(),
    }
