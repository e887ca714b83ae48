"""Makes reports: gathers figures, words them once, writes HTML, PDF and CSV, and remembers that it did.

Invariants: making a report again for the same subject and period replaces its files and keeps its reference;
a report's row exists only when all its files do; files are readable by the centre's own user only.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from cyberalarm.central.config import CentralConfig
from cyberalarm.central.reports.gathering import Centre, gather_member, gather_network, gather_trend
from cyberalarm.central.reports.html import render_html
from cyberalarm.central.reports.member_document import member_document
from cyberalarm.central.reports.models import FILES, Form, Report, report_reference
from cyberalarm.central.reports.pdf import render_pdf
from cyberalarm.central.reports.places import Places
from cyberalarm.central.reports.tables import member_csv, trend_csv
from cyberalarm.central.reports.trend_document import trend_document
from cyberalarm.core.places import Level, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Member
    from cyberalarm.central.reports.document import Document
    from cyberalarm.central.reports.figures import NetworkItem
    from cyberalarm.central.reports.period import Period

log = structlog.get_logger(__name__)


def make_member_reports(
    store: EventStore, members: Iterable[Member], period: Period, made_at: datetime
) -> Iterator[Report]:
    """Make members' reports about the same period, one after the other as they are asked for.

    What they say of the network is asked once.
    """
    centre = _centre(store)
    network = gather_network(centre, period)
    for member in members:
        yield _make_member(centre, member, period, made_at, network)


def make_trend_report(store: EventStore, scope: Scope, period: Period, made_at: datetime) -> Report:
    """Make a force's, a region's or the national trend report. Raises ValueError for a member's scope."""
    if scope.level is Level.MEMBER:
        raise ValueError("a trend report is about a force, a region or the nation")
    report = _found(
        Report(
            kind=Report.Kind.TREND,
            scope_level=str(scope.level),
            scope_code=scope.code,
            period_start=period.first,
            period_end=period.last,
        )
    )
    figures = gather_trend(_centre(store), scope, period, reference=report.reference, made=made_at)
    return _keep(report, trend_document(figures), trend_csv(figures), made_at)


def _make_member(
    centre: Centre, member: Member, period: Period, made_at: datetime, network: tuple[NetworkItem, ...]
) -> Report:
    report = _found(
        Report(
            kind=Report.Kind.MEMBER,
            member=member,
            scope_level=str(Level.MEMBER),
            period_start=period.first,
            period_end=period.last,
        )
    )
    figures = gather_member(centre, member, period, reference=report.reference, made=made_at, network=network)
    return _keep(report, member_document(figures), member_csv(figures), made_at)


def _found(draft: Report) -> Report:
    """The report that exists already for the draft's subject and period, else the draft, named."""
    same = Report.objects.filter(
        kind=draft.kind,
        member=draft.member,
        scope_level=draft.scope_level,
        scope_code=draft.scope_code,
        period_start=draft.period_start,
        period_end=draft.period_end,
    ).first()
    if same is not None:
        return same
    draft.reference = report_reference()
    draft.folder = f"reports/{draft.reference}"
    return draft


def _keep(report: Report, document: Document, tables: bytes, made_at: datetime) -> Report:
    """Write the files, then the row."""
    folder = _config().data / report.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / FILES[Form.HTML], render_html(document).encode("utf-8"))
    _write(folder / FILES[Form.PDF], render_pdf(document, made_at))
    _write(folder / FILES[Form.CSV], tables)
    report.made = made_at
    report.save()
    log.info("report.made", reference=report.reference, kind=report.kind, period_end=str(report.period_end))
    return report


def _write(path: Path, content: bytes) -> None:
    """Replace a file as a whole, so that a reader sees the old one or the new one."""
    draft = path.with_suffix(path.suffix + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)


def _centre(store: EventStore) -> Centre:
    config = _config()
    return Centre(config, store, _places(config.country_database, config.countries_extra))


@cache
def _places(database: str, extra: str) -> Places:
    return Places.configured(database, extra)


def _config() -> CentralConfig:
    config = settings.CONFIG
    if not isinstance(config, CentralConfig):
        raise TypeError("the settings hold no configuration of the centre")
    return config
