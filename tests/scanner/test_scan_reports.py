"""Findings over time, and what the report says: escaped, formula-safe, honest about what was not seen."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.cli.demonstration.scan import scan as demonstration_scan
from cyberalarm.scanner.consent import Consent, new_target
from cyberalarm.scanner.errors import ResultError
from cyberalarm.scanner.findings import Confidence, Finding, Severity, State, finding_key
from cyberalarm.scanner.identity import Identity
from cyberalarm.scanner.lifecycle import compared
from cyberalarm.scanner.report import actions, report_html, summary, write_report
from cyberalarm.scanner.result import ScanResult, TargetRun, read_result
from cyberalarm.scanner.scan import scan
from cyberalarm.scanner.tables import findings_csv, safe_cell, services_csv
from cyberalarm.scanner.versions import version_key
from tests.scanner.scan_lab import MEMBER, answers, consent_for, http, lab_options, listening, says

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.scanner.identity import Service

HOSTILE = '<script>alert(1)</script>=HYPERLINK("http://198.51.100.1")\x1b[0m'


def result_of(write_consent: Callable[[Consent], Path], banner: bytes, **options: object) -> ScanResult:
    target, token = new_target(MEMBER, "127.0.0.1", web_ports=[])
    with listening(answers(http(token)), says(banner)) as (proof, service):
        target = target.model_copy(update={"ports": (service.port,), "proof_port": proof.port})
        found = asyncio.run(scan(write_consent(consent_for(target)), lab_options(**options)))
    # The same port every time, so that one scan can be compared with another.
    moved = [
        replace(
            f,
            port=2222,
            key=finding_key(MEMBER, f.target, 2222, f.cves[0] if f.check == "cve" else f.check, f.product),
        )
        for f in found.findings
    ]
    return replace(found, findings=tuple(moved), services=tuple(replace(s, port=2222) for s in found.services))


def test_new_open_fixed_reopened(write_consent: Callable[[Consent], Path]) -> None:
    bad, good = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
    first = result_of(write_consent, bad)
    (finding,) = first.findings
    assert (finding.cves, finding.state, finding.confidence) == (
        ("CVE-2024-6387",),
        State.NEW,
        Confidence.FIRM,
    )
    again, gone = compared(first.findings, first.services, first, "2099-01-01")
    assert (again[0].state, again[0].first_seen, gone) == (State.OPEN, finding.first_seen, ())
    repaired = result_of(write_consent, good)
    assert repaired.findings == ()
    assert [r.cve for r in repaired.ruled_out] == ["CVE-2024-6387"]
    _, gone = compared(repaired.findings, repaired.services, first, "2099-01-01")
    assert [f.state for f in gone] == [State.FIXED]
    back, gone = compared(first.findings, first.services, replace(repaired, gone=gone), "2099-02-01")
    assert (back[0].state, back[0].first_seen, gone) == (State.REOPENED, finding.first_seen, ())


def test_not_answering_is_not_fixed_and_changed_data_is_withdrawn(
    write_consent: Callable[[Consent], Path],
) -> None:
    first = result_of(write_consent, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n")
    _, gone = compared((), (), first, "2099-01-01")
    assert [f.state for f in gone] == [State.NOT_SEEN]
    _, gone = compared((), first.services, first, "2099-01-01")
    assert [f.state for f in gone] == [State.WITHDRAWN]
    _, later = compared((), (), replace(first, findings=(), gone=gone), "2099-01-02")
    assert later == gone


def test_another_members_result_is_refused(write_consent: Callable[[Consent], Path], tmp_path: Path) -> None:
    first = result_of(write_consent, b"SSH-2.0-OpenSSH_9.9\r\n")
    other = replace(first, authority=replace(first.authority, member="m-other"))
    path = write_report(other, tmp_path / "other").json
    with pytest.raises(ResultError):
        result_of(write_consent, b"SSH-2.0-OpenSSH_9.9\r\n", previous=path)


def test_result_survives_its_file(write_consent: Callable[[Consent], Path], tmp_path: Path) -> None:
    found = result_of(write_consent, b"220 (vsFTPd 2.3.4)\r\n")
    files = write_report(found, tmp_path)
    assert read_result(files.json) == found
    before = files.html.read_bytes()
    assert write_report(read_result(files.json), tmp_path).html.read_bytes() == before
    files.json.write_bytes(files.json.read_bytes()[:-40])
    with pytest.raises(ResultError):
        read_result(files.json)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [v or "" for k, v in attrs if k in {"src", "href", "srcset", "action"}]


def test_a_hostile_banner_stays_text(write_consent: Callable[[Consent], Path]) -> None:
    found = result_of(write_consent, f"220 (vsFTPd 2.3.4) {HOSTILE}\r\n".encode())
    assert found.findings
    page = report_html(found)
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert tags.outside == []
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "LAB" in page


@given(st.text(max_size=60))
def test_no_cell_starts_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text, f"'{text}")


def test_csv_of_a_hostile_banner(write_consent: Callable[[Consent], Path]) -> None:
    found = result_of(write_consent, b"=cmd|' /C calc'!A0\r\n")
    rows = list(csv.reader(io.StringIO(services_csv(found), newline="")))
    assert rows[1][-1].startswith("'=cmd")
    assert rows[1][0] == "LAB"
    assert next(csv.reader(io.StringIO(findings_csv(found), newline="")))[0] == "lab"


def finding(**changes: object) -> Finding:
    base = Finding(
        key="k", check="cve", title="T", target="www.example.org", port=80, product="Widget", version="1", cves=("CVE-2099-1000",),
        severity=Severity.HIGH, score=8.0, vector="", exploited_since="", ransomware=False, confidence=Confidence.FIRM, why="w",
        evidence="e", advice="Do this.", fixed_in="", source="starter",
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def bare(write_consent: Callable[[Consent], Path]) -> ScanResult:
    return replace(result_of(write_consent, b"SSH-2.0-OpenSSH_9.9\r\n"), findings=(), gone=())


def test_headline_counts_only_what_is_sure(bare: ScanResult) -> None:
    found = replace(
        bare,
        findings=(
            finding(),
            finding(confidence=Confidence.CONFIRMED, severity=Severity.CRITICAL),
            finding(confidence=Confidence.PROBABLE, severity=Severity.CRITICAL),
            finding(confidence=Confidence.POSSIBLE, severity=Severity.CRITICAL, exploited_since="2024-01-01"),
            finding(severity=Severity.UNSCORED),
        ),
    )
    facts = summary(found)
    assert [c.counted for c in facts.counts] == [1, 1, 0, 0]
    assert (facts.probable, facts.possible, facts.unscored) == (1, 1, 1)
    assert facts.verdict == "Act soon: 2 serious weaknesses were found."


def test_verdicts_never_call_the_unseen_clean(bare: ScanResult) -> None:
    assert "not tested" in summary(bare).verdict
    assert "could not see" in summary(replace(bare, services=())).verdict
    unproved = tuple(replace(t, proved=None) for t in bare.targets)
    assert "no proof" in summary(replace(bare, services=(), targets=unproved)).verdict
    assert (
        "1 weakness found here is" in summary(replace(bare, findings=(finding(exploited_since="2024-01-01"),))).verdict
    )
    assert "check" in summary(replace(bare, findings=(finding(confidence=Confidence.POSSIBLE),))).verdict
    for text in (report_html(bare), report_html(replace(bare, services=()))):
        assert "What was not tested, and why" in text


def test_one_update_settles_many(bare: ScanResult) -> None:
    found = replace(
        bare,
        findings=tuple(finding(fixed_in=v, cves=(f"CVE-2099-{n}",)) for n, v in enumerate(("2.9", "2.10", "2.1"))),
    )
    (action,) = actions(found)
    assert action.text == "Update Widget to 2.10 or later."
    assert len(action.findings) == 3
    many = replace(bare, findings=tuple(finding(port=n) for n in range(1, 12)))
    assert len(actions(many)) == 5


def test_the_first_step_settles_what_is_only_possible_too(bare: ScanResult) -> None:
    found = replace(
        bare,
        findings=(
            finding(fixed_in="2.4.51", advice="Update Widget to 2.4.51 or later."),
            finding(
                fixed_in="2.4.60", confidence=Confidence.POSSIBLE, cves=("CVE-2099-2",), exploited_since="2025-05-01"
            ),
            finding(fixed_in="2.4.58", severity=Severity.LOW, cves=("CVE-2099-3",)),
            finding(fixed_in="9.9", product="Other", confidence=Confidence.POSSIBLE),
            finding(fixed_in="9.8", target="mail.example.org", confidence=Confidence.POSSIBLE),
        ),
    )
    (action,) = actions(found)
    assert action.text == "Update Widget to 2.4.60 or later."
    assert [f.fixed_in for f in action.findings] == ["2.4.51"]
    assert [f.fixed_in for f in action.unsure] == ["2.4.60"]
    assert not action.exploited  # by what is certain
    assert "and 1 more that cannot be told from outside" in report_html(found)


def test_a_package_is_told_its_own_newest_revision_and_never_the_makers_version(bare: ScanResult) -> None:
    package = Identity("maker", "widget", "Widget", version="9.2p1", distribution="debian", revision="9.2p1-2+deb12u2")
    found = replace(
        bare,
        services=(replace(bare.services[0], target="www.example.org", port=80, identities=(package,)),),
        findings=(
            finding(fixed_in="9.2p1-2+deb12u3", advice="Install Debian's package 9.2p1-2+deb12u3 of Widget, or later."),
            finding(fixed_in="9.2p1-2+deb12u10", confidence=Confidence.POSSIBLE),
            finding(fixed_in="9.8p1", confidence=Confidence.POSSIBLE),
        ),
    )
    (action,) = actions(found)
    assert action.text == "Install Debian's package 9.2p1-2+deb12u10 of Widget, or later."
    assert [f.fixed_in for f in action.unsure] == ["9.2p1-2+deb12u10"]


def test_one_repair_keeps_its_own_advice(bare: ScanResult) -> None:
    for other in ("2.0", "2.2"):
        possible = finding(fixed_in=other, confidence=Confidence.POSSIBLE)
        (action,) = actions(replace(bare, findings=(finding(fixed_in="2.1"), possible)))
        assert action.text == "Do this."


def test_a_neglected_website_is_told_one_version_that_settles_everything(tmp_path: Path) -> None:
    """The starter set's Apache findings: 2.4.51 is certain, 2.4.60 depends on rewrite rules that cannot be seen."""
    verdict = demonstration_scan(tmp_path / "scan", MEMBER, "Example Trust")
    result = read_result(verdict.report.with_suffix(".json"))
    apache = [f for f in result.findings if f.product.startswith("Apache")]
    newest = max((f.fixed_in for f in apache if f.fixed_in), key=version_key)
    assert version_key(newest) > version_key("2.4.51")
    (text,) = [a.text for a in actions(result) if "Apache" in a.text]
    assert newest in text
    assert "2.4.51" not in text


def test_a_repair_of_unknown_version_makes_the_step_open_ended(bare: ScanResult) -> None:
    found = replace(
        bare,
        findings=(
            finding(fixed_in="2.1", advice="Update Widget to 2.1 or later."),
            finding(check="cannot-tell", confidence=Confidence.POSSIBLE),
        ),
    )
    (action,) = actions(found)
    assert action.text == "Update Widget to the newest release, at least 2.1."


def test_services_and_runs_are_told(bare: ScanResult) -> None:
    page = report_html(bare)
    run: TargetRun = bare.targets[0]
    service: Service = bare.services[0]
    for wanted in (
        run.source,
        "A. Head",
        "Head teacher",
        "Example Trust",
        f"OpenSSH {service.identities[0].version}",
        "starter set",
    ):
        assert wanted in page
