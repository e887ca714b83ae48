"""A report's three forms from figures written by hand: ordinary, empty, hostile, huge."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import asdict, replace
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from subprocess import run

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyberalarm.central.findings.rules_folder import rule
from cyberalarm.central.reports import words
from cyberalarm.central.reports.actions import first_steps, needs_attention
from cyberalarm.central.reports.coverage import coverage_of
from cyberalarm.central.reports.figures import FindingFigure, MemberReport, Tries, View
from cyberalarm.central.reports.html import render_html
from cyberalarm.central.reports.member_document import member_document
from cyberalarm.central.reports.pdf import PRINTABLE, printable, render_pdf
from cyberalarm.central.reports.period import Period
from cyberalarm.central.reports.tables import member_csv

from tests.reports.figures_by_hand import (  # isort: skip
    HOSTILE,
    MADE,
    PERIOD,
    a_hostile_member,
    a_huge_member,
    a_member,
    an_unseen_member,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyberalarm.central.reports.document import Document

# What a report may hold as markup. Everything else must have come out as text.
_OWN_TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "a",
        "header",
        "p",
        "h1",
        "h2",
        "h3",
        "dl",
        "div",
        "dt",
        "dd",
        "main",
        "section",
        "figure",
        "figcaption",
        "table",
        "caption",
        "colgroup",
        "col",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "bdi",
        "b",
        "span",
        "strong",
        "ul",
        "ol",
        "li",
        "footer",
        "svg",
        "g",
        "path",
        "text",
        "rect",
        "line",
    ]
)


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._style = tag == "style"
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "xlink:href"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def pdf_text(pdf: bytes, tmp_path: Path) -> str:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    return run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()


def pdf_info(pdf: bytes, tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    lines = run(["pdfinfo", str(path)], capture_output=True, check=True).stdout.decode().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


@cache
def ordinary() -> Document:
    return member_document(a_member())


def test_pdf_is_tagged_a4_and_named(tmp_path: Path) -> None:
    pdf = render_pdf(ordinary(), MADE)
    info = pdf_info(pdf, tmp_path)
    assert info["Tagged"] == "yes"
    assert "A4" in info["Page size"]
    assert info["Title"] == "Member Summary Threat Report: Hawthorn Vale Schools Trust"
    assert b"pdfuaid" in pdf
    assert render_pdf(ordinary(), MADE) == pdf
    text = pdf_text(pdf, tmp_path)
    pages = int(info["Pages"])
    for page, content in enumerate(text.split("\f")[:pages], 1):
        assert f"Page {page} of {pages}" in content
        assert "r-7k2m9xqd4t" in content
        # No page is empty: each says more than its header and footer.
        assert len(content.split()) > 60


def test_first_page_is_for_the_owner(tmp_path: Path) -> None:
    page = pdf_text(render_pdf(ordinary(), MADE), tmp_path).split("\f")[0]
    for part in (
        "24,063 suspicious events",
        "32% more than before",
        "Three things to do first",
        "Was our view complete?",
    ):
        assert part in page
    assert "Yes, as far as we can tell" in page


def test_html_needs_nothing_else() -> None:
    reader = read(render_html(ordinary()))
    assert reader.tags <= _OWN_TAGS
    assert not reader.handlers
    assert set(reader.addresses) == {"#report"}


def test_every_chart_has_words_and_a_table() -> None:
    charts = [b for part in ordinary().parts for s in part.sections for b in s.blocks if b.type == "chart"]
    assert len(charts) == 3
    page = render_html(ordinary())
    for chart in charts:
        assert chart.alt
        assert chart.table.rows
        assert f'aria-label="{chart.alt}"' in page


def test_members_read_of_suspicious_activity_only() -> None:
    for report in (a_member(), *(an_unseen_member(v) for v in (View.NONE, View.NEVER, View.SILENT))):
        assert not re.search(r"\battack|\bhacker|\bvictim", str(asdict(member_document(report))), re.IGNORECASE)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str, tmp_path: Path) -> None:
    report = a_hostile_member(text)
    document = member_document(report)
    page = read(render_html(document))
    assert page.tags <= _OWN_TAGS
    assert not page.handlers
    assert set(page.addresses) == {"#report"}
    assert words.shown(text) in "".join(page.words)

    pdf = render_pdf(document, MADE)
    said = squeezed(pdf_text(pdf, tmp_path))
    assert squeezed(printable(words.shown(text)))[:60] in said
    _fits_the_page(pdf, tmp_path)

    with zipfile.ZipFile(io.BytesIO(member_csv(report))) as archive:
        for name in archive.namelist():
            table = csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"), newline=""))
            for row in table:
                assert not [c for c in row if c.lstrip()[:1] in tuple("=+-@\t\r") and c]
        rows = list(csv.DictReader(io.StringIO(archive.read("signatures.csv").decode("utf-8-sig"), newline="")))
    assert rows[0]["signature"].removeprefix("'") == words.shown(text)


def test_huge_numbers_fit(tmp_path: Path) -> None:
    report = a_huge_member()
    pdf = render_pdf(member_document(report), MADE)
    whole = f"{report.totals.tries.total:,}"
    assert whole in pdf_text(pdf, tmp_path)
    assert whole in render_html(member_document(report))
    _fits_the_page(pdf, tmp_path)


def _fits_the_page(pdf: bytes, tmp_path: Path) -> None:
    """Every word lies between the margins (20 mm, with a millimetre of grace)."""
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    boxes = run(["pdftotext", "-bbox", str(path), "-"], capture_output=True, check=True).stdout.decode()
    lefts = [float(x) for x in re.findall(r'xMin="([-\d.]+)"', boxes)]
    rights = [float(x) for x in re.findall(r'xMax="([-\d.]+)"', boxes)]
    margin = 19 * 72 / 25.4
    assert lefts
    assert min(lefts) > margin
    assert max(rights) < 595.3 - margin


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (View.NONE, "No collector has been set up"),
        (View.NEVER, "it has never sent anything"),
        (View.SILENT, "No collector has sent anything since 2 November 2026"),
    ],
)
def test_an_unseen_member_gets_no_clean_bill(view: View, why: str, tmp_path: Path) -> None:
    document = member_document(an_unseen_member(view))
    page = "".join(read(render_html(document)).words)
    text = re.sub(r"\s+", " ", pdf_text(render_pdf(document, MADE), tmp_path))
    for said in (page, text):
        assert "We could not see your network" in said
        assert why in said
        assert "says nothing about how safe your network is" in said
        assert "No risky door" not in said
        assert "no suspicious activity" not in said
    assert document.tone == "warn"


def test_an_empty_week_in_full_view_says_what_to_check() -> None:
    report = an_unseen_member(View.SILENT)
    report = replace(report, coverage=a_member().coverage)
    document = member_document(report)
    assert document.headline.startswith("We saw no suspicious activity")
    assert "set to log the connections that it blocks" in document.standfirst
    assert render_pdf(document, MADE)
    assert render_html(document)


def test_steps_are_three_and_the_open_door_is_among_them() -> None:
    steps = first_steps(a_member())
    assert len(steps) == 3
    assert any("Remote desktop" in s.title for s in steps)
    quiet = replace(a_member(), let_in=(), findings=(), threats=(), detections=())
    assert [s.title.split(":")[0] for s in first_steps(quiet)] == ["Good habit"] * 3


def malware(severity: int = 3) -> FindingFigure:
    advice = ("Find the computer that it was found on.",)
    return FindingFigure("malware", "Malware found: X", severity, "It was.", advice, None, None, 1, "malware")


def a_test_file() -> FindingFigure:
    advice = ("If somebody was testing, there is nothing to do.",)
    return FindingFigure("malware-test-file", "Test file found", 1, "It was.", advice, None, None, 9, "malware")


def test_the_test_file_is_never_the_first_thing_to_do() -> None:
    quiet = replace(a_member(), let_in=(), findings=(), detections=())
    tested = replace(quiet, threats=(replace(quiet.threats[0], threat="Eicar-Signature"),))
    assert [s.title.split(":")[0] for s in first_steps(tested)] == ["Good habit"] * 3
    assert first_steps(replace(quiet, threats=a_member().threats))[0].title == "Check where harmful software was found"
    assert "“Win.Trojan.Example-1”" in first_steps(replace(quiet, threats=a_member().threats))[0].text
    both = replace(quiet, findings=(a_test_file(), malware()))
    assert [s.title for s in first_steps(both)][:2] == ["Malware found: X", "Test file found"]
    closed = replace(tested, totals=replace(tested.totals, let_in=0))
    assert not needs_attention(replace(closed, findings=(a_test_file(),)))
    assert needs_attention(replace(closed, findings=(a_test_file(), malware())))


def test_blocked_malware_comes_after_what_got_in() -> None:
    guessed = next(f for f in a_member().findings if f.rule == "remote-desktop-guessing")
    quiet = replace(a_member(), let_in=(), threats=(), detections=())
    for severity, first in ((3, "malware"), (2, "ssh-guessing")):
        other = replace(guessed, rule="ssh-guessing", severity=3, allowed=0, title="SSH")
        step, *_ = first_steps(replace(quiet, findings=(malware(severity), other)))
        assert step.title == {"malware": "Malware found: X", "ssh-guessing": "SSH"}[first]


def test_both_ways_to_know_the_test_file_agree() -> None:
    [condition] = rule("malware").unless
    assert condition.values == (words.TEST_FILE,)
    assert condition in rule("malware-test-file").where


def test_whoever_may_be_forged_is_spoken_of_in_one_sentence() -> None:
    page = "".join(read(render_html(ordinary())).words)
    assert page.count(words.MAY_BE_FORGED) == 2  # beside the sources, and among the words used
    assert len(re.findall(r"accuse|Block them|blocklist", page)) == 2


QUIET = PERIOD.days[3:5]


def test_days_out_of_view_and_devices_that_fell_silent_are_named(tmp_path: Path) -> None:
    report = a_member()
    first, second = report.coverage.collectors
    days = tuple(d for d in PERIOD.days if d not in QUIET)
    paused = replace(first, days=days, quiet_days=QUIET, gone=("d-7f",))
    coverage = coverage_of((paused, second))
    assert coverage.view is View.PARTIAL
    partial = replace(report, coverage=coverage, let_in=(), findings=(), threats=(), detections=())
    document = member_document(partial)
    for said in ("".join(read(render_html(document)).words), pdf_text(render_pdf(document, MADE), tmp_path)):
        flat = re.sub(r"\s+", " ", said)
        assert "“Main site: Server room” sent nothing on Thu 12 Nov and Fri 13 Nov." in flat
        assert "“Main site: Server room” heard nothing from d-7f, which sent before." in flat
        assert "5 of 7" in flat
        assert "Every collector sent" not in flat
    titles = [step.title for step in first_steps(partial)]
    assert titles[:2] == ["Check that every device still sends its log", "Find out why a collector paused"]


def test_days_known_by_the_events_times_alone_are_said_to_be() -> None:
    report = a_member()
    first, second = report.coverage.collectors
    late = member_document(replace(report, coverage=coverage_of((replace(first, late_days=7), second))))
    assert "covers each of the seven days, by the times in the events themselves" in str(late)
    assert "Every collector sent on each of the seven days" in str(ordinary())


def test_every_printable_character_can_be_set() -> None:
    every = "".join(chr(c) for first, last in PRINTABLE for c in range(first, last + 1))
    lines = tuple(every[at : at + 60] for at in range(0, len(every), 60))
    report = a_member()
    [first, *_] = report.detections
    many = tuple(replace(first, signature=line) for line in lines)
    for at in range(0, len(many), 15):
        assert render_pdf(member_document(replace(report, detections=many[at : at + 15])), MADE)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=80))
def test_any_text_can_be_set(text: str) -> None:
    report = an_unseen_member(View.SILENT)
    report = replace(report, member=text or "x")
    assert render_pdf(member_document(report), MADE)
    assert read(render_html(member_document(report))).tags <= _OWN_TAGS


def test_one_day_and_a_long_period_are_drawn(tmp_path: Path) -> None:
    report = a_member()
    [day, *_] = report.days
    single: MemberReport = replace(report, period=Period(date(2026, 11, 9), date(2026, 11, 9)), days=(day,))
    assert "on 9 November 2026" in member_document(single).headline
    assert render_pdf(member_document(single), MADE)
    period = Period.ending(date(2026, 11, 15), 92)
    quarter = replace(
        report,
        period=period,
        days=tuple(replace(day, day=d, tries=Tries(n)) for n, d in enumerate(period.days)),
    )
    pdf = render_pdf(member_document(quarter), MADE)
    _fits_the_page(pdf, tmp_path)


def test_every_table_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \| (both|member|trend) \|$", text, re.MULTILINE)
    with zipfile.ZipFile(io.BytesIO(member_csv(a_member()))) as archive:
        named = {n.removesuffix(".csv") for n in archive.namelist()}
    assert {name for name, where in rows if where != "trend"} == named
