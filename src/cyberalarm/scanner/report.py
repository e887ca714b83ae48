"""The Vulnerability Assessment Report: one self-contained HTML page, the same as JSON, and two CSV tables.

Everything that came from a scanned host is escaped. Counts in headlines are of confirmed and firm
findings; what is less sure stands apart. A report without any service says that nothing could be seen,
never that nothing is wrong. PDF is made by the centre, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import jinja2

from cyberalarm.core.ports import port_name
from cyberalarm.scanner.findings import Confidence, Finding, Severity, State, urgency
from cyberalarm.scanner.result import ScanResult, to_json
from cyberalarm.scanner.tables import findings_csv, services_csv
from cyberalarm.scanner.versions import debian_key, upstream_of, version_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_FIRST = 5  # things to do first; more is a list that nobody starts on
_SHOWN = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the report's files lie."""

    html: Path
    json: Path
    findings: Path
    services: Path


@dataclass(frozen=True, slots=True)
class Count:
    severity: Severity
    counted: int


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, the findings it settles, and those that it would settle if they are true."""

    text: str
    where: str
    findings: tuple[Finding, ...]
    unsure: tuple[Finding, ...] = ()

    @property
    def exploited(self) -> bool:
        return any(f.exploited_since for f in self.findings)

    @property
    def severity(self) -> Severity:
        return min((f.severity for f in self.findings), key=lambda s: s.rank)


@dataclass(frozen=True, slots=True)
class Summary:
    verdict: str
    counts: tuple[Count, ...]
    unscored: int
    probable: int
    possible: int
    first: tuple[Action, ...]


def counts(result: ScanResult) -> tuple[Count, ...]:
    """Confirmed and firm findings by severity."""
    sure = [f for f in result.findings if f.confidence.counted]
    return tuple(Count(s, sum(1 for f in sure if f.severity is s)) for s in _SHOWN)


def actions(result: ScanResult) -> tuple[Action, ...]:
    """What to do first, at most five; one update that settles several findings is one thing to do."""
    groups: dict[tuple[str, int, str], list[Finding]] = {}
    for finding in result.findings:  # in order of urgency
        if finding.confidence is Confidence.POSSIBLE or finding.severity is Severity.LOW:
            continue
        groups.setdefault((finding.target, finding.port, finding.product or finding.check), []).append(finding)
    found = [_action(group, result) for group in groups.values()]
    return tuple(found[:_MOST_FIRST])


def _action(group: list[Finding], result: ScanResult) -> Action:
    head = group[0]
    where = f"{head.target}, port {head.port}"
    fixed = tuple(f for f in group if f.fixed_in)
    update = _update(head, result)
    names_a_version = any(f.fixed_in in head.advice for f in fixed)
    if not fixed or (len(fixed) == 1 and (update.settled_by(fixed[0].fixed_in) or not names_a_version)):
        return Action(head.advice, where, (head,))
    # What is possible only, or small, does not make a thing to do; where there is one, it must not have to be done twice.
    unsure = tuple(f for f in update.findings if f.confidence is Confidence.POSSIBLE and f.port == head.port)
    return Action(update.text, where, fixed, unsure)


@dataclass(frozen=True, slots=True)
class _Update:
    """What settles everything known about one product on one target, and the findings whose repaired version it rests on.

    `whole` is whether every finding of the product tells the version that repairs it.
    """

    text: str
    version: str
    whole: bool
    findings: tuple[Finding, ...]

    def settled_by(self, version: str) -> bool:
        return self.whole and version == self.version


def _update(head: Finding, result: ScanResult) -> _Update:
    """The newest repaired version over all findings of a product, possible and small ones too.

    A distribution's package keeps its maker's version: there only revisions of that same version count.
    """
    package = _package(head, result)
    same = [f for f in result.findings if (f.target, f.product) == (head.target, head.product)]
    if package is not None:
        distribution, revision = package
        same = [f for f in same if f.fixed_in and upstream_of(f.fixed_in) == upstream_of(revision)]
        newest = max((f.fixed_in for f in same), key=debian_key, default="")
        text = f"Install {distribution.capitalize()}'s package {newest} of {head.product}, or later."
        return _Update(text, newest, True, tuple(same))
    same = [f for f in same if f.cves and _package(f, result) is None]
    known = tuple(f for f in same if f.fixed_in)
    newest = max((f.fixed_in for f in known), key=version_key, default="")
    if len(known) == len(same):
        return _Update(f"Update {head.product} to {newest} or later.", newest, True, known)
    return _Update(f"Update {head.product} to the newest release, at least {newest}.", newest, False, known)


def _package(finding: Finding, result: ScanResult) -> tuple[str, str] | None:
    """Distribution and revision of the package that a finding is about, if it shows one."""
    for service in result.services:
        if (service.target, service.port) == (finding.target, finding.port):
            for identity in service.identities:
                if identity.title == finding.product and identity.distribution and identity.revision:
                    return identity.distribution, identity.revision
    return None


def summary(result: ScanResult) -> Summary:
    """The report in a few figures and a sentence."""
    found = counts(result)
    probable = sum(1 for f in result.findings if f.confidence is Confidence.PROBABLE)
    possible = sum(1 for f in result.findings if f.confidence is Confidence.POSSIBLE)
    unscored = sum(1 for f in result.findings if f.confidence.counted and f.severity is Severity.UNSCORED)
    return Summary(_verdict(result, found, probable + possible), found, unscored, probable, possible, actions(result))


def _verdict(result: ScanResult, found: tuple[Count, ...], unsure: int) -> str:
    if not any(t.proved for t in result.targets):
        return "Nothing was scanned: there is no proof yet that the targets are yours."
    if not result.services:
        return "We could not see your systems: nothing answered. That does not mean that nothing is wrong."
    urgent = sum(c.counted for c in found if c.severity in {Severity.CRITICAL, Severity.HIGH})
    exploited = sum(1 for f in result.findings if f.exploited_since and f.confidence.counted)
    if exploited:
        words = _number(exploited, "weakness found here is", "weaknesses found here are")
        return f"Act now: {words} known to be used by criminals."
    if urgent:
        return f"Act soon: {_number(urgent, 'serious weakness was', 'serious weaknesses were')} found."
    if any(c.counted for c in found):
        return "Nothing urgent was found. A few things could be better."
    if unsure:
        return "Nothing certain was found. Some things cannot be told from outside; please check them."
    return "Nothing was found in what was tested. Please read what was not tested."


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


@dataclass(frozen=True, slots=True)
class Unscored:
    """The CVEs of one product that no source has scored, as one line."""

    product: str
    target: str
    port: int
    confidence: Confidence
    cves: tuple[str, ...]


def unscored(result: ScanResult) -> tuple[Unscored, ...]:
    """What has no score is not harmless, but a card each would bury the rest."""
    groups: dict[tuple[str, str, int, Confidence], list[str]] = {}
    for f in result.findings:
        if _is_unscored(f):
            groups.setdefault((f"{f.product} {f.version}".strip(), f.target, f.port, f.confidence), []).extend(f.cves)
    return tuple(Unscored(*key, tuple(sorted(cves))) for key, cves in groups.items())


def _is_unscored(finding: Finding) -> bool:
    """Scored by nobody, and not known to be exploited, which would outweigh a score."""
    single = finding.check == "cve" and finding.confidence is not Confidence.POSSIBLE
    return single and finding.severity is Severity.UNSCORED and not finding.exploited_since


def plain_lines(result: ScanResult) -> Iterator[str]:
    """The report as lines of text, for a terminal."""
    facts = summary(result)
    if result.lab:
        yield "LAB: made on a test bench."
    yield facts.verdict
    figures = ", ".join(f"{c.counted} {c.severity}" for c in facts.counts)
    yield f"{figures}; {facts.probable} probable, {facts.possible} to check"
    for f in result.findings:
        names = f" ({' '.join(f.cves[:4])})" if f.cves else ""
        yield f"  {f.severity:9} {f.confidence:9} {f.target} port {f.port}: {f.title}{names}"
    for left in result.not_tested:
        yield f"  not tested: {left.target + ': ' if left.target else ''}{left.what}. {left.reason}"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("cyberalarm.scanner", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def report_html(result: ScanResult) -> str:
    """The page, with styles inside and nothing to load."""
    shown = [f for f in result.findings if not _is_unscored(f)]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            result=result,
            summary=summary(result),
            sure=sorted((f for f in shown if f.confidence.counted), key=urgency),
            probable=[f for f in shown if f.confidence is Confidence.PROBABLE],
            possible=[f for f in shown if f.confidence is Confidence.POSSIBLE],
            unscored=unscored(result),
            states={s: tuple(f for f in (*result.findings, *result.gone) if f.state is s) for s in State},
            State=State,
            port_name=port_name,
        )
    )


def write_report(result: ScanResult, folder: Path) -> ReportFiles:
    """Write all files of a report; the same result always gives the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ReportFiles(
        html=folder / "vulnerability-assessment.html",
        json=folder / "vulnerability-assessment.json",
        findings=folder / "vulnerability-findings.csv",
        services=folder / "services.csv",
    )
    names.html.write_text(report_html(result), "utf-8")
    names.json.write_bytes(to_json(result))
    # The mark at the start makes spreadsheets read UTF-8.
    names.findings.write_text(findings_csv(result), "utf-8-sig", newline="")
    names.services.write_text(services_csv(result), "utf-8-sig", newline="")
    return names
