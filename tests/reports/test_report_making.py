"""Making and handing out reports: what is kept and replaced, who may read, how complete the view was."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.accounts.services import create_member_user, create_police_user
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.ingest.models import Envelope, LedgerTotal
from cyberalarm.central.members.models import Collector
from cyberalarm.central.reports import words
from cyberalarm.central.reports.coverage import member_coverage
from cyberalarm.central.reports.figures import Bundle, CollectorFigure, View
from cyberalarm.central.reports.models import Form, Report
from cyberalarm.central.reports.period import Period
from cyberalarm.central.reports.services import make_member_reports, make_trend_report
from cyberalarm.central.reports.views import download, may_see_report
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.core.places import Scope, forces

from tests.reports.generated_rows import rows_of, send  # isort: skip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Member

PASSWORD = "correct horse battery staple"
MakeCollector = Callable[..., Collector]


def make_one(store: EventStore, member: Member, period: Period, made_at: datetime) -> Report:
    [report] = make_member_reports(store, [member], period, made_at)
    return report


def test_making_twice_replaces(store: EventStore, period: Period, make_collector: MakeCollector) -> None:
    collector = make_collector()
    member = collector.site.member
    first = make_one(store, member, period, period.end)
    path = first.file(settings.CONFIG.data, Form.HTML)
    assert "We could not see your network" in path.read_text("utf-8")

    send(store, collector, rows_of(1, period, 50))
    second = make_one(store, member, period, period.end + timedelta(hours=1))
    assert (second.pk, second.reference) == (first.pk, first.reference)
    assert Report.objects.filter(member=member).count() == 1
    assert "We could not see your network" not in path.read_text("utf-8")
    assert second.reference in path.read_text("utf-8")
    for form in Form:
        assert stat.S_IMODE(second.file(settings.CONFIG.data, form).stat().st_mode) == 0o600
    assert not list(path.parent.glob("*.new"))

    other = make_one(store, member, period.previous, period.end)
    assert other.reference != first.reference


def test_the_database_refuses_a_second_report(period: Period, make_collector: MakeCollector) -> None:
    row = {
        "kind": Report.Kind.TREND,
        "scope_level": "national",
        "period_start": period.first,
        "period_end": period.last,
        "made": timezone.now(),
    }
    Report.objects.create(**row, reference="r-one")
    with pytest.raises(IntegrityError), transaction.atomic():
        Report.objects.create(**row, reference="r-two")
    with pytest.raises(IntegrityError), transaction.atomic():
        Report.objects.create(**{**row, "scope_level": "member"}, reference="r-three")


def test_many_members_at_once(store: EventStore, period: Period, make_collector: MakeCollector) -> None:
    members = [make_collector(f"Member {n}").site.member for n in range(3)]
    reports = list(make_member_reports(store, members, period, period.end))
    assert [r.member for r in reports] == members
    assert len({r.reference for r in reports}) == 3


def test_findings_and_their_advice_are_in_the_report(
    store: EventStore, period: Period, make_collector: MakeCollector
) -> None:
    collector = make_collector()
    member = collector.site.member
    send(store, collector, rows_of(5, period, 30))
    moment = period.start + timedelta(days=2)
    shared = {
        "rule": "remote-desktop-guessing",
        "rule_version": 1,
        "day": moment.date(),
        "severity": 4,
        "category": "guessing",
        "spoofable": False,
        "first_seen": moment,
        "last_seen": moment,
        "episode_start": moment,
        "episode_end": moment,
        "count": 690,
        "evidence": {},
        "advice_lines": ["Close <i>remote desktop</i> (port 3389) to {everybody}."],
        "created": moment,
        "updated": moment,
    }
    mine = Finding.objects.create(**shared, member=member, title="Guessed <b>passwords</b>", what="It was tried.")
    Finding.objects.create(
        **shared, member=make_collector("Other").site.member, title="Of somebody else", what="Not for us."
    )
    old = {
        **shared,
        "first_seen": period.start - timedelta(days=9),
        "last_seen": period.start - timedelta(days=8),
    }
    Finding.objects.create(**old, member=member, group_key="old", title="Long ago", what="Over.")
    page = make_one(store, member, period, period.end).file(settings.CONFIG.data, Form.HTML).read_text("utf-8")
    assert "Guessed &lt;b&gt;passwords&lt;/b&gt;" in page
    assert mine.advice == ("Close <i>remote desktop</i> (port 3389) to {everybody}.",)
    assert "Close &lt;i&gt;remote desktop&lt;/i&gt; (port 3389) to {everybody}." in page
    assert "Of somebody else" not in page
    assert "Long ago" not in page


def envelope(collector: Collector, sequence: int, period: Period, *, days: float = 1, **lines: int) -> None:
    ledger = Ledger(dropped_by_kernel=lines.pop("dropped_by_kernel", 0))
    ledger.add([lines.get(str(o), 0) for o in Outcome])
    Envelope.objects.create(
        collector=collector,
        sequence=sequence,
        digest=f"{collector.pk:032x}{sequence:032x}",
        state=Envelope.State.STORED,
        sealed=period.start + timedelta(days=days),
        received=period.start + timedelta(days=days),
        rows=0,
        lines=ledger.received,
        size=1,
        ledgers={"fw": ledger.to_json()},
    )


def every_day(*collectors: Collector, of: Period) -> list[Bundle]:
    """Bundles, not among the period's envelopes, that hold events of each day."""
    return [Bundle(collector.pk, 10**9, of.days) for collector in collectors]


def test_view_is_told_apart(period: Period, make_collector: MakeCollector) -> None:
    first = make_collector()
    member = first.site.member

    def view() -> View:
        collectors = Collector.objects.filter(site__member=member)
        return member_coverage(member, period, every_day(*collectors, of=period)).view

    assert view() is View.NEVER
    envelope(first, 1, period, days=-30, routine=5)
    assert view() is View.SILENT
    envelope(first, 2, period, routine=90, kept=5, unrecognised=4, malformed=1)
    assert view() is View.COMPLETE
    envelope(first, 3, period, unrecognised=5)
    assert view() is View.PARTIAL
    envelope(first, 4, period, routine=10_000)
    assert view() is View.COMPLETE
    second = make_collector(member=member)
    assert view() is View.PARTIAL
    envelope(second, 1, period, routine=1)
    assert view() is View.COMPLETE
    envelope(second, 2, period, overflow=1)
    assert view() is View.PARTIAL
    coverage = member_coverage(member, period, ())
    assert coverage.ledger.received == 100 + 5 + 10_000 + 1 + 1
    assert coverage.ledger.balanced
    first.site.collectors.all().delete()
    assert view() is View.NONE


def test_days_count_that_were_sealed_or_that_events_happened_on(period: Period, make_collector: MakeCollector) -> None:
    collector = make_collector()
    member = collector.site.member
    envelope(collector, 1, period, days=0.5, routine=3)
    envelope(collector, 2, period, days=1.5)  # a ledger without a line says nothing
    envelope(collector, 3, period, days=60, kept=9)

    def covered(*days: int) -> CollectorFigure:
        bundles = [Bundle(collector.pk, 3, tuple(period.days[d] for d in days))] if days else []
        [figure] = member_coverage(member, period, bundles).collectors
        assert set(figure.days) | set(figure.quiet_days) == set(period.days)
        assert len(figure.days) + len(figure.quiet_days) == period.length
        return figure

    assert covered().days == period.days[:1]
    assert (covered().late_days, covered().envelopes) == (0, 2)
    assert covered(0, 3).days == (period.days[0], period.days[3])
    assert (covered(0, 3).late_days, covered(0, 3).envelopes) == (1, 3)
    assert member_coverage(member, period, []).view is View.PARTIAL
    assert member_coverage(member, period, every_day(collector, of=period)).view is View.COMPLETE


def test_a_day_begins_at_midnight_in_london(make_collector: MakeCollector) -> None:
    """Half past eleven in the evening UTC in summer is the next day in London."""
    period = Period.ending(date(2009, 7, 5))
    collector = make_collector()
    envelope(collector, 1, period, days=1 - 0.5 / 24, routine=1)
    [figure] = member_coverage(collector.site.member, period, []).collectors
    assert figure.days == period.days[:1]
    envelope(collector, 2, period, days=1 + 0.5 / 24, routine=1)
    [figure] = member_coverage(collector.site.member, period, []).collectors
    assert figure.days == period.days[:2]


def test_devices_that_fell_silent_are_named(period: Period, make_collector: MakeCollector) -> None:
    collector = make_collector()
    member = collector.site.member

    def heard(device: str, first: int, last: int, received: int = 5) -> None:
        LedgerTotal.objects.create(
            collector=collector,
            device=device,
            received=received,
            kept=received,
            first_received=period.start + timedelta(days=first),
            last_received=period.start + timedelta(days=last),
        )

    heard("fw", -20, 6)
    heard("silent", -20, -2)
    heard("long-gone", -80, -30)
    heard("new", 1, 2)
    heard("never-spoke", -20, -2, received=0)
    heard("back-since", -20, 12)
    for day in range(period.length):
        envelope(collector, day + 1, period, days=day + 0.5, routine=1)
    coverage = member_coverage(member, period, [])
    assert coverage.collectors[0].gone == ("back-since", "silent")
    assert coverage.view is View.PARTIAL
    LedgerTotal.objects.filter(device__in=["silent", "back-since"]).delete()
    assert member_coverage(member, period, []).view is View.COMPLETE


def test_a_week_that_arrived_in_one_go_is_covered_by_its_events(
    store: EventStore, period: Period, make_collector: MakeCollector
) -> None:
    collector = make_collector()
    noon = [period.start + timedelta(days=day, hours=12) for day in range(7)]
    rows = [{"time": at, "direction": "inbound", "src_ip": "198.18.0.1", "dst_port": 22} for at in noon]
    send(store, collector, rows)
    path = make_one(store, collector.site.member, period, period.end).file(settings.CONFIG.data, Form.HTML)
    assert "by the times in the events themselves" in path.read_text("utf-8")
    send(store, other := make_collector("Other"), rows[:3])
    path = make_one(store, other.site.member, period, period.end).file(settings.CONFIG.data, Form.HTML)
    page = path.read_text("utf-8")
    assert "3 of 7" in page
    assert f"sent nothing on {words.day(period.days[3])} to {words.day(period.days[6])}." in page
    assert "Every collector" not in page


def test_late_bundles_count_for_the_week_of_their_events(
    store: EventStore, period: Period, make_collector: MakeCollector
) -> None:
    collector = make_collector()
    envelope(collector, 1, period, days=40, kept=10)
    envelope(collector, 2, period, days=41, kept=100)
    late = member_coverage(collector.site.member, period, [Bundle(collector.pk, 1, ())])
    assert late.ledger.received == 10
    # A bundle that was sealed within the hour after the week belongs to the next one only.
    envelope(collector, 3, period, days=7.01, kept=1_000)
    assert (
        member_coverage(
            collector.site.member, period, [Bundle(collector.pk, 1, ()), Bundle(collector.pk, 3, ())]
        ).ledger.received
        == 10
    )


def test_trend_has_no_member_scope(store: EventStore, period: Period) -> None:
    with pytest.raises(ValueError, match="force, a region or the nation"):
        make_trend_report(store, Scope.of_member(1), period, period.end)


def test_a_quiet_place_gets_no_clean_bill(store: EventStore, period: Period, make_collector: MakeCollector) -> None:
    make_collector()
    report = make_trend_report(store, Scope.of_force("kent"), period, period.end)
    page = report.file(settings.CONFIG.data, Form.HTML).read_text("utf-8")
    assert "Nothing reached us" in page
    assert "says nothing about threats" in page
    assert report.file(settings.CONFIG.data, Form.PDF).read_bytes().startswith(b"%PDF")


def asks(user: User, report: Report, form: str = "html") -> HttpRequest:
    request = RequestFactory().get(f"/reports/{report.reference}/{form}")
    request.user = user
    return request


def test_who_may_read(store: EventStore, period: Period, make_collector: MakeCollector) -> None:
    member = make_collector().site.member
    report = make_one(store, member, period, period.end)
    kent = make_trend_report(store, Scope.of_force("kent"), period, period.end)
    nation = make_trend_report(store, Scope.national(), period, period.end)

    def police(name: str, scope: Scope) -> User:
        return create_police_user(f"{name}@police.example", name, PASSWORD, scope, Role.ANALYST)

    region = forces()["kent"].region
    elsewhere = next(f.region for f in forces().values() if f.region != region)
    people = {
        "own": create_member_user("own@member.example", "Own", PASSWORD, member),
        "other": create_member_user("other@member.example", "Other", PASSWORD, make_collector("Other").site.member),
        "kent": police("kent", Scope.of_force("kent")),
        "durham": police("durham", Scope.of_force("durham")),
        "region": police("region", Scope.of_region(region)),
        "far": police("far", Scope.of_region(elsewhere)),
        "nation": police("nation", Scope.national()),
    }
    may = {
        report.reference: {"own", "kent", "region", "nation"},
        kent.reference: {"kent", "region", "nation"},
        nation.reference: {"nation"},
    }
    for made in (report, kent, nation):
        allowed = {name for name, user in people.items() if may_see_report(user, made)}
        assert allowed == may[made.reference]
        for name, user in people.items():
            for form in Form:
                if name in allowed:
                    answer = download(asks(user, made, form), made.reference, form)
                    assert answer.status_code == 200
                    assert "sandbox" in answer.headers["Content-Security-Policy"]
                    assert b"".join(answer) == made.file(settings.CONFIG.data, form).read_bytes()
                else:
                    with pytest.raises(Http404):
                        download(asks(user, made, form), made.reference, form)
    own = people["own"]
    for reference, form in (
        (report.reference, "exe"),
        ("r-nothing", "html"),
        (report.reference, "../report.pdf"),
    ):
        with pytest.raises(Http404):
            download(asks(own, report), reference, form)
    own.is_active = False
    with pytest.raises(Http404):
        download(asks(own, report), report.reference, "html")
    told = Entry.objects.filter(action=Action.REPORT_DOWNLOADED)
    assert told.filter(actor=people["kent"].pk, subject=f"report:{report.reference}").count() == len(Form)
    assert not told.filter(actor=own.pk).exists()
