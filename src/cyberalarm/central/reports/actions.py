"""Which three things a member should do first, and in what words.

Pure and ordered: what lets somebody in comes before what somebody tried, and a blind collector comes before
good habits. When less than three things call for it, good habits fill the rest and say that they are that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.central.reports import words
from cyberalarm.central.reports.document import Step
from cyberalarm.central.reports.figures import (
    CollectorFigure,
    Coverage,
    Detection,
    FindingFigure,
    LetIn,
    MemberReport,
    PortKey,
    Threat,
    View,
)
from cyberalarm.core.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_MANY = 3
HIGH = 3
# Share of received lines that may go unrecognised before the first page asks about it.
UNRECOGNISED_LIMIT = 0.05

# Detection rules that speak of what the figures show as well; only the more urgent of the two is said.
_SAME_AS = {"open-risky-port": "let in", "exploit-attempt": "weaknesses"}
_MALWARE = "malware"

_NOT_SEEING: dict[View, Step] = {
    View.NONE: Step(
        "Set up a collector",
        "It is a small program on your network that reads your firewall's log. Sign in to the member pages, "
        "choose "
        "“Collectors”, and follow the three steps there; whoever looks after your network needs about half "
        "an hour.",
    ),
    View.NEVER: Step(
        "Finish setting up the collector",
        "A collector is registered and has never sent anything. Check that the program runs and that your "
        "firewall sends "
        "its log to it; “cyberalarm collector doctor” on that machine says which of the two is missing.",
    ),
    View.SILENT: Step(
        "Bring the collector back",
        "It used to send and has gone quiet. The usual reasons are a machine that was switched off, a "
        "changed address, or a "
        "firewall that no longer sends its log. “cyberalarm collector doctor” on that machine says which.",
    ),
}

_HABITS: tuple[Step, ...] = (
    Step(
        "Good habit: two-step verification",
        "Switch it on wherever people sign in from outside, beginning with e-mail and remote access.",
    ),
    Step(
        "Good habit: updates that install themselves",
        "Check that computers, the firewall and anything else that faces the Internet update on their own.",
    ),
    Step(
        "Good habit: a backup that is not connected",
        "Keep one copy that nobody can reach over the network, and try once a term whether it can be restored.",
    ),
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """`about` keeps two candidates from saying the same thing."""

    about: str
    urgency: int
    step: Step


def first_steps(report: MemberReport) -> tuple[Step, ...]:
    """The steps for the first page: never more than `HOW_MANY`, never fewer."""
    if report.coverage.view in _NOT_SEEING and report.totals.tries.total == 0:
        return (_NOT_SEEING[report.coverage.view], *_HABITS[: HOW_MANY - 1])
    chosen: dict[str, Step] = {}
    for candidate in sorted(_candidates(report), key=lambda c: -c.urgency):
        chosen.setdefault(candidate.about, candidate.step)
    return (*chosen.values(), *_HABITS)[:HOW_MANY]


def needs_attention(report: MemberReport) -> bool:
    """Whether something in the report calls for action now, rather than for good habits."""
    return report.totals.let_in > 0 or any(c.urgency >= 80 for c in _candidates(report))


def _candidates(report: MemberReport) -> Iterator[_Candidate]:
    for alike in by_rule(report.findings):
        yield _of_findings(alike)
    if report.let_in:
        yield _of_let_in(report.let_in)
    named = [t for t in report.threats if t.sensor == "antivirus" and t.threat and not words.is_test_file(t.threat)]
    if named and not any(f.rule == _MALWARE for f in report.findings):
        yield _of_harmful(named)
    if weak := [d for d in report.detections if d.severity >= HIGH and d.cves]:
        yield _of_weaknesses(weak)
    yield from _of_coverage(report.coverage)


def by_rule(findings: tuple[FindingFigure, ...]) -> tuple[tuple[FindingFigure, ...], ...]:
    """Findings of one rule together, the most urgent rule first and within it the worst finding first."""
    alike: dict[str, list[FindingFigure]] = {}
    for finding in findings:
        alike.setdefault(finding.rule, []).append(finding)
    groups = [tuple(sorted(g, key=lambda f: (-f.severity, -f.allowed, -f.count))) for g in alike.values()]
    return tuple(sorted(groups, key=lambda g: (-_urgency(g[0]), -len(g), g[0].rule)))


def _urgency(finding: FindingFigure) -> int:
    """What got in, or is inside already, comes before what only knocked as hard.

    Harmful software that was blocked, and the harmless test file, have a lower severity than what is inside.
    """
    inside = 9 if finding.category in {"malware", "command_and_control"} and finding.severity >= HIGH else 0
    return 60 + 10 * finding.severity + max(inside, 6 if finding.allowed else 0)


def _of_findings(alike: tuple[FindingFigure, ...]) -> _Candidate:
    finding = alike[0]
    advice = finding.advice[0] if finding.advice else "Ask your Cyber Protect contact what to do about it."
    more = f" There are {words.small(len(alike) - 1)} more like it." if len(alike) > 2 else ""
    more = " There is one more like it." if len(alike) == 2 else more
    step = Step(words.shown(finding.title), f"{words.sentences(words.shown(advice))}{more}")
    return _Candidate(_SAME_AS.get(finding.rule, f"finding {finding.rule}"), _urgency(finding), step)


def _of_let_in(rows: tuple[LetIn, ...]) -> _Candidate:
    by_port: dict[PortKey, int] = {}
    for row in rows:
        by_port[row.key] = by_port.get(row.key, 0) + row.count
    key, most = max(by_port.items(), key=lambda item: (item[1], -(item[0].port or 0)))
    others = len(by_port) - 1
    also = (
        f" The same goes for {words.small(others)} other {'service' if others == 1 else 'services'} listed inside."
        if others
        else ""
    )
    step = Step(
        f"Close “{words.port_words(key)}” to the Internet",
        f"{words.count(most, 'connection')} from outside {'was' if most == 1 else 'were'} let in on port "
        f"{words.port_code(key)}. "
        f"Ask whoever looks after your firewall to close it, or to allow it through a VPN only.{also}",
    )
    return _Candidate("let in", 97, step)


def _of_harmful(rows: list[Threat]) -> _Candidate:
    found = sum(t.count for t in rows)
    step = Step(
        "Check where harmful software was found",
        f"Your antivirus reported it {words.times(found)}, most often as “{words.shown(rows[0].threat)}”. "
        "Make sure that the "
        "device it was found on has been cleaned, and ask its user how the file got there.",
    )
    return _Candidate("harmful", 88, step)


def _of_weaknesses(rows: list[Detection]) -> _Candidate:
    numbers = sorted({cve for d in rows for cve in d.cves})
    listed = ", ".join(words.shown(c) for c in numbers[:3]) + (" and others" if len(numbers) > 3 else "")
    step = Step(
        "Check that known weaknesses are mended",
        f"Somebody tried weaknesses that have updates: {listed}. Ask whoever looks after your servers and "
        "firewall whether "
        "those updates are in.",
    )
    return _Candidate("weaknesses", 78, step)


def _of_coverage(coverage: Coverage) -> Iterator[_Candidate]:
    quiet = [c for c in coverage.collectors if not c.reported]
    if quiet and coverage.view is View.PARTIAL:
        names = " and ".join(words.shown(c.name) for c in quiet[:2]) + (" and others" if len(quiet) > 2 else "")
        yield _Candidate(
            "quiet",
            76,
            Step(
                "Bring the quiet collector back" if len(quiet) == 1 else "Bring the quiet collectors back",
                f"Nothing came from {names} in this period, so part of your network was out of view.",
            ),
        )
    paused = [c for c in coverage.collectors if c.reported and c.quiet_days]
    if paused:
        said = " ".join(f"{collector_name(c)} sent nothing on {words.days(c.quiet_days)}." for c in paused[:2])
        yield _Candidate(
            "paused", 74, Step("Find out why a collector paused", f"{said} What happened then was out of view.")
        )
    if gone := [f"{words.shown(device)} of {collector_name(c)}" for c in coverage.collectors for device in c.gone]:
        yield _Candidate(
            "gone",
            75,
            Step(
                "Check that every device still sends its log",
                f"{words.capital(words.count(len(gone), 'device'))} sent before and nothing in this period: "
                f"{words.listed(gone[:3])}{' and others' if len(gone) > 3 else ''}.",
            ),
        )
    if not_understood(coverage) > UNRECOGNISED_LIMIT:
        yield _Candidate(
            "unrecognised",
            70,
            Step(
                "Tell us about a device we do not know",
                "A good part of the lines that your collector received could not be read. Its page in the "
                "member pages says "
                "which device they come from.",
            ),
        )


def collector_name(collector: CollectorFigure) -> str:
    """A collector as a report names it."""
    return f"“{words.shown(collector.site)}: {words.shown(collector.name)}”"


def not_understood(coverage: Coverage) -> float:
    """Share of received lines that no format knew or that were broken."""
    ledger = coverage.ledger
    if not ledger.received:
        return 0.0
    return (ledger.outcomes[Outcome.UNRECOGNISED] + ledger.outcomes[Outcome.MALFORMED]) / ledger.received
