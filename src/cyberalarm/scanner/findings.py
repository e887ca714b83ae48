"""What a scan concludes: findings, each with its evidence, how sure we are, and what to do.

Confidence is a promise to the reader: confirmed - the behaviour itself was seen; firm - exact version in
an affected range, and packaging that cannot hide a repair (or whose revision is known not to hold it);
probable - exact version in range, packaging unknown; possible - cannot be told from outside. Headlines
count the first two only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Confidence(StrEnum):
    CONFIRMED = "confirmed"
    FIRM = "firm"
    PROBABLE = "probable"
    POSSIBLE = "possible"

    @property
    def counted(self) -> bool:
        """Whether headlines and trends count it."""
        return self in {Confidence.CONFIRMED, Confidence.FIRM}


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNSCORED = "unscored"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class State(StrEnum):
    NEW = "new"
    OPEN = "open"  # was there at the previous scan too
    REOPENED = "reopened"
    FIXED = "fixed"  # the service was seen again without it
    NOT_SEEN = "not seen"  # the service did not answer this time, which is not the same as fixed
    WITHDRAWN = "withdrawn"  # the same version was seen; what changed is our data


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about one place. `key` is stable from scan to scan."""

    key: str
    check: str  # "cve", "cannot-tell", or the name of a behaviour check
    title: str
    target: str
    port: int
    product: str
    version: str
    cves: tuple[str, ...]
    severity: Severity
    score: float | None
    vector: str
    exploited_since: str  # date of entry in CISA's catalogue, or empty
    ransomware: bool
    confidence: Confidence
    why: str
    evidence: str
    advice: str
    fixed_in: str
    source: str
    state: State = State.NEW
    first_seen: str = ""


def finding_key(member: str, target: str, port: int, check: str, product: str) -> str:
    """The identity of a finding over time: whose, where, what."""
    digest = hashlib.sha256()
    for part in (member, target, str(port), check, product):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()[:24]


def severity_of(word: str) -> Severity:
    return (
        Severity(word) if word in Severity._value2member_map_ else Severity.LOW if word == "none" else Severity.UNSCORED
    )


def urgency(finding: Finding) -> tuple[int, int, int, int, float, str]:
    """Sort key: what can be believed first, then what is being exploited, then severity."""
    return (
        0 if finding.confidence is not Confidence.POSSIBLE else 1,
        0 if finding.exploited_since else 1,
        finding.severity.rank,
        0 if finding.confidence.counted else 1,
        -(finding.score or 0.0),
        finding.key,
    )
