"""Was everything that was scripted found, and does every ledger balance? Pure comparisons of values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cyberalarm.core.outcome import Ledger
    from cyberalarm.lab.truth import EpisodeTruth, MemberTruth


@dataclass(frozen=True, slots=True)
class Found:
    """What matters of a finding. `member` is the lab's key; empty for the whole network."""

    rule: str
    member: str
    source: str
    first: datetime
    last: datetime
    cves: frozenset[str]
    threats: frozenset[str]


@dataclass(frozen=True, slots=True)
class EpisodeVerdict:
    """One scripted event: which of the rules that must find it did, and what is missing in words."""

    episode: str
    rules: tuple[str, ...]
    missing: tuple[str, ...]


def judge(episode: EpisodeTruth, findings: Iterable[Found]) -> EpisodeVerdict:
    """Compare one scripted event with what was found."""
    near = [f for f in findings if _same_place(episode, f) and _same_time(episode, f)]
    missing = [f"no finding of the rule {rule}" for rule in episode.findings if not _fired(rule, episode, near)]
    if episode.findings:
        cves = frozenset[str]().union(*(f.cves for f in near))
        threats = frozenset[str]().union(*(f.threats for f in near))
        missing += [f"{cve} is in no finding" for cve in episode.cves if cve not in cves]
        missing += [f"{name} is in no finding" for name in episode.malware if name not in threats]
    return EpisodeVerdict(episode.id, tuple(episode.findings), tuple(missing))


def _same_place(episode: EpisodeTruth, found: Found) -> bool:
    return not found.member or not episode.member or found.member == episode.member


def _same_time(episode: EpisodeTruth, found: Found) -> bool:
    return found.first.timestamp() * 1000 <= episode.end and found.last.timestamp() * 1000 >= episode.start


def _fired(rule: str, episode: EpisodeTruth, near: list[Found]) -> bool:
    return any(f.rule == rule and (not f.source or not episode.sources or f.source in episode.sources) for f in near)


@dataclass(frozen=True, slots=True)
class LedgerVerdict:
    """One member's ledger against the lab's truth, and against what the centre holds."""

    member: str
    ledger: Ledger
    expected: Mapping[str, int]
    at_centre: Ledger
    rows_count: int
    trouble: tuple[str, ...]


def audit(member: MemberTruth, ledger: Ledger, at_centre: Ledger, rows_count: int) -> LedgerVerdict:
    """Does the ledger balance, agree with the truth, and agree with what the centre stored?"""
    expected: dict[str, int] = {}
    for device in member.devices:
        for outcome, lines in device.outcomes.items():
            expected[outcome] = expected.get(outcome, 0) + lines
    trouble = []
    if not ledger.balanced:
        trouble.append("received is not the sum of the outcomes")
    if ledger.dropped_by_kernel:
        trouble.append(f"{ledger.dropped_by_kernel} datagrams were lost before the collector")
    got = {str(outcome): lines for outcome, lines in ledger.outcomes.items()}
    trouble += [
        f"{name}: {got[name]:,} lines instead of {expected.get(name, 0):,}"
        for name in got
        if got[name] != expected.get(name, 0)
    ]
    if at_centre.to_json() != ledger.to_json():
        trouble.append("the centre's ledger differs from the collector's")
    if rows_count != ledger.sent:
        trouble.append(f"the event store holds {rows_count:,} of {ledger.sent:,} lines that were kept or recalled")
    return LedgerVerdict(member.name, ledger, expected, at_centre, rows_count, tuple(trouble))
