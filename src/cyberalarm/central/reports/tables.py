"""A report's figures as CSV files in one ZIP, for people who reckon with them.

Each file has a header row, UTF-8 with a byte order mark (spreadsheets need it), and lines that end in CR LF
(RFC 4180). A cell that a spreadsheet could take for a formula gets an apostrophe in front (OWASP, "CSV
Injection"). The same report always gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cyberalarm.central.reports import words
from cyberalarm.central.reports.places import country_name
from cyberalarm.core.outcome import OUTCOMES
from cyberalarm.core.ports import risky_ports

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.central.reports.figures import (
        Country,
        Coverage,
        Day,
        Detection,
        MemberReport,
        PortKey,
        PortTried,
        Source,
        Threat,
        TrendReport,
        Tries,
    )

Cell = str | int | None
Rows = Iterable[Sequence[Cell]]

# What a spreadsheet may read as the beginning of a formula, also in its full-width forms.
_FORMULA = frozenset("=+-@＝＋－＠\t\r\n")

_TRIES = ("events", "blocked", "let_through", "reported", "not_said")


def safe_cell(value: Cell) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    lead = value.lstrip(" \u00a0\u3000")[:1]
    return f"'{value}" if lead in _FORMULA and lead else value


def csv_text(header: Sequence[str], rows: Rows) -> str:
    """One file's text."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def member_csv(report: MemberReport) -> bytes:
    """A member's files, from its summary to what each collector sent."""
    files = {
        "summary": _summary(
            [
                ("report", report.reference),
                ("member", words.shown(report.member)),
                ("police_force", report.force),
                ("first_day", report.period.first.isoformat()),
                ("last_day", report.period.last.isoformat()),
                ("made", _time(report.made)),
                ("view", str(report.coverage.view)),
                *_totals(report),
            ]
        ),
        "days": _days(report.days),
        "sources": _sources(report.sources),
        "ports": _ports(report.ports),
        "targets": csv_text(
            ("address", *_TRIES, "sources", "ports"),
            ((t.address, *_tries(t.tries), t.sources, t.ports) for t in report.targets),
        ),
        "let_in": csv_text(
            (
                "address",
                "port",
                "protocol",
                "service",
                "connections",
                "sources",
                "both_sides_spoke",
                "first",
                "last",
            ),
            (
                (r.address, *_port(r.key), r.count, r.sources, r.established, _time(r.first), _time(r.last))
                for r in report.let_in
            ),
        ),
        "kinds": csv_text(
            ("seen_by", "category", *_TRIES, "sources"),
            ((k.sensor, k.category, *_tries(k.tries), k.sources) for k in report.kinds),
        ),
        "findings": csv_text(
            ("rule", "severity", "title", "what", "advice", "count", "first", "last"),
            (
                (
                    f.rule,
                    words.SEVERITIES[min(f.severity, 4)],
                    words.shown(f.title),
                    words.shown(f.what),
                    " ".join(f.advice),
                    f.count,
                    _time(f.first),
                    _time(f.last),
                )
                for f in report.findings
            ),
        ),
        "signatures": _signatures(report.detections),
        "threats": _threats(report.threats),
        "countries": _countries(report.origins.countries),
        "collectors": _collectors(report.coverage),
    }
    return _zip(files, report.made)


def trend_csv(report: TrendReport) -> bytes:
    """A trend report's files, from its summary to the figures of each force."""
    files = {
        "summary": _summary(
            [
                ("report", report.reference),
                ("scope", report.scope.name),
                ("first_day", report.period.first.isoformat()),
                ("last_day", report.period.last.isoformat()),
                ("made", _time(report.made)),
                ("members_approved", report.members_approved),
                ("members_with_collector", report.members_with_collector),
                ("members_reporting", report.members_reporting),
                ("sources_at_two_members_or_more", report.shared_sources),
                *_totals(report),
            ]
        ),
        "days": _days(report.days),
        "sources": _sources(report.sources),
        "ports": _ports(report.ports),
        "kinds": csv_text(
            ("seen_by", "category", *_TRIES, "sources"),
            ((k.sensor, k.category, *_tries(k.tries), k.sources) for k in report.kinds),
        ),
        "findings": csv_text(
            ("rule", "severity", "title", "findings", "members"),
            (
                (f.rule, words.SEVERITIES[min(f.severity, 4)], words.shown(f.title), f.findings, f.members)
                for f in report.findings
            ),
        ),
        "signatures": _signatures(report.detections),
        "countries": _countries(report.origins.countries),
        "forces": csv_text(
            ("force", "name", "members", "events", "sources"),
            ((f.code, f.name, f.members, f.tries, f.sources) for f in report.forces),
        ),
    }
    return _zip(files, report.made)


def _totals(report: MemberReport | TrendReport) -> list[tuple[str, Cell]]:
    totals = report.totals
    return [
        *zip(_TRIES, _tries(totals.tries), strict=True),
        ("sources", totals.sources),
        ("targets", totals.targets),
        ("ports", totals.ports),
        ("let_in_on_risky_ports", totals.let_in),
        ("events_before", report.previous.tries.total),
    ]


def _summary(rows: Rows) -> str:
    return csv_text(("what", "value"), rows)


def _days(days: Iterable[Day]) -> str:
    return csv_text(("day", *_TRIES, "members"), ((d.day.isoformat(), *_tries(d.tries), d.members) for d in days))


def _sources(sources: Iterable[Source]) -> str:
    header = (
        "address",
        "country",
        "country_name",
        *_TRIES,
        "ports",
        "tried_most",
        "targets",
        "members",
        "forces",
        "first",
        "last",
        "evidence",
    )
    return csv_text(
        header,
        (
            (
                s.address,
                s.country,
                country_name(s.country),
                *_tries(s.tries),
                s.ports,
                " ".join(words.port_code(k) for k in s.top_ports),
                s.targets,
                s.members,
                s.forces,
                _time(s.first),
                _time(s.last),
                s.evidence,
            )
            for s in sources
        ),
    )


def _ports(ports: Iterable[PortTried]) -> str:
    risky = risky_ports()
    return csv_text(
        ("port", "protocol", "service", *_TRIES, "sources", "members", "should_not_face_the_internet"),
        (
            (*_port(p.key), *_tries(p.tries), p.sources, p.members, "yes" if p.key.port in risky else "no")
            for p in ports
        ),
    )


def _signatures(detections: Iterable[Detection]) -> str:
    return csv_text(
        (
            "signature_id",
            "signature",
            "category",
            "severity",
            "cve",
            *_TRIES,
            "sources",
            "members",
            "first",
            "last",
        ),
        (
            (
                words.shown(d.signature_id),
                words.shown(d.signature),
                d.category,
                words.SEVERITIES[min(d.severity, 4)],
                " ".join(words.shown(c) for c in d.cves),
                *_tries(d.tries),
                d.sources,
                d.members,
                _time(d.first),
                _time(d.last),
            )
            for d in detections
        ),
    )


def _threats(threats: Iterable[Threat]) -> str:
    return csv_text(
        ("seen_by", "threat", "sender_domain", "count", "sources", "first", "last"),
        (
            (
                t.sensor,
                words.shown(t.threat),
                words.shown(t.sender_domain),
                t.count,
                t.sources,
                _time(t.first),
                _time(t.last),
            )
            for t in threats
        ),
    )


def _countries(countries: Iterable[Country]) -> str:
    return csv_text(
        ("country", "name", "events", "sources"),
        ((c.code, country_name(c.code), c.tries, c.sources) for c in countries),
    )


def _collectors(coverage: Coverage) -> str:
    return csv_text(
        (
            "site",
            "collector",
            "status",
            "devices",
            "envelopes",
            "received",
            *map(str, OUTCOMES),
            "dropped_by_kernel",
            "last_seen",
            "days",
            "quiet_days",
            "devices_gone",
        ),
        (
            (
                words.shown(c.site),
                words.shown(c.name),
                c.status,
                c.devices,
                c.envelopes,
                c.ledger.received,
                *(c.ledger.outcomes[o] for o in OUTCOMES),
                c.ledger.dropped_by_kernel,
                _time(c.last_seen),
                len(c.days),
                " ".join(day.isoformat() for day in c.quiet_days),
                words.shown(" ".join(c.gone)),
            )
            for c in coverage.collectors
        ),
    )


def _tries(tries: Tries) -> tuple[int, int, int, int, int]:
    return (tries.total, tries.blocked, tries.allowed, tries.detected, tries.unknown)


def _port(key: PortKey) -> tuple[Cell, Cell, Cell]:
    return (key.port, words.protocol_name(key.protocol), words.port_words(key))


def _time(value: datetime | None) -> str:
    return value.isoformat(timespec="seconds") if value else ""


def _zip(files: dict[str, str], made: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(f"{name}.csv", made.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text.encode("utf-8-sig"))
    return out.getvalue()
