"""From what one port said to findings: which products, which vulnerabilities, how sure, and what was ruled
out.

Pure. Possible matches of one product become one line ("cannot tell from outside"), since eighteen rows of
guesses bury the one that is true; those that are being exploited stay single, as questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.scanner.checks import behaviour_findings
from cyberalarm.scanner.feeds.vulnerability import Score, Vulnerability, score_of
from cyberalarm.scanner.findings import Confidence, Finding, finding_key, severity_of
from cyberalarm.scanner.identity import Identity, Service, TlsSummary
from cyberalarm.scanner.matching import Assessment, match
from cyberalarm.scanner.result import RuledOut
from cyberalarm.scanner.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cyberalarm.core.addresses import Address
    from cyberalarm.scanner.engines.probe import Heard
    from cyberalarm.scanner.feeds.store import VulnDb
    from cyberalarm.scanner.recognise import Recogniser


@dataclass(frozen=True, slots=True)
class Place:
    """Whose port it is."""

    member: str
    target: str
    address: Address


@dataclass(frozen=True, slots=True)
class Conclusion:
    service: Service
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]


def conclude(heard: Heard, place: Place, recogniser: Recogniser, db: VulnDb, now: datetime) -> Conclusion:
    """Everything that follows from one open port."""
    identities = _identities(heard, recogniser)
    findings = list(behaviour_findings(heard, place.member, place.target, now))
    ruled_out: list[RuledOut] = []
    for identity in identities:
        assessments = match(identity, db)
        findings.extend(_vulnerability_findings(assessments, identity, heard, place, db))
        ruled_out.extend(
            RuledOut(place.target, heard.port, a.vulnerability.cve, a.why)
            for a in assessments
            if a.ruled_out_by_package
        )
    return Conclusion(_service(heard, place, identities), tuple(findings), tuple(ruled_out))


def _identities(heard: Heard, recogniser: Recogniser) -> tuple[Identity, ...]:
    found: dict[tuple[str, str], Identity] = {}
    for observation in heard.observations:
        for identity in recogniser.identify(observation):
            known = found.get((identity.vendor, identity.product))
            if known is None or (not known.version and identity.version):
                found[identity.vendor, identity.product] = identity
    return tuple(found.values())


def _service(heard: Heard, place: Place, identities: tuple[Identity, ...]) -> Service:
    tls = None
    if heard.tls is not None:
        certificate = heard.tls.certificate
        tls = TlsSummary(
            versions=heard.tls.versions,
            weak_suite=heard.tls.weak_suite,
            subject=certificate.subject if certificate else "",
            issuer=certificate.issuer if certificate else "",
            expires=certificate.not_after if certificate else None,
        )
    return Service(
        place.target,
        str(place.address),
        heard.port,
        heard.protocol or "unknown",
        heard.banner,
        identities,
        tls,
        heard.notes,
    )


def _vulnerability_findings(
    assessments: Iterable[Assessment], identity: Identity, heard: Heard, place: Place, db: VulnDb
) -> list[Finding]:
    single: list[Finding] = []
    unsure: list[tuple[Assessment, Score]] = []
    for assessment in assessments:
        if assessment.confidence is None:
            continue
        score = score_of(assessment.vulnerability.vector)
        exploited = db.exploited(assessment.vulnerability.cve) is not None
        if assessment.confidence is Confidence.POSSIBLE and not (exploited and identity.version):
            unsure.append((assessment, score))
        else:
            single.append(_single(assessment, score, identity, heard, place, db))
    if unsure:
        single.append(_cannot_tell(unsure, identity, heard, place))
    return single


def _single(
    assessment: Assessment, score: Score, identity: Identity, heard: Heard, place: Place, db: VulnDb
) -> Finding:
    item = assessment.vulnerability
    exploited = db.exploited(item.cve)
    assert assessment.confidence is not None
    disputed = " Its issuer marks it as disputed." if item.status == "disputed" else ""
    return Finding(
        key=finding_key(place.member, place.target, heard.port, item.cve, identity.title),
        check="cve",
        title=item.title or item.cve,
        target=place.target,
        port=heard.port,
        product=identity.title,
        version=identity.version,
        cves=(item.cve,),
        severity=severity_of(score.severity),
        score=score.base,
        vector=score.vector,
        exploited_since=exploited.added if exploited else "",
        ransomware=exploited.ransomware if exploited else False,
        confidence=assessment.confidence,
        why=assessment.why + disputed,
        evidence=heard.banner,
        advice=_advice(item, identity, assessment.fixed_in),
        fixed_in=assessment.fixed_in,
        source=item.source,
    )


def _advice(item: Vulnerability, identity: Identity, fixed_in: str) -> str:
    if any(fix.fixed == fixed_in for fix in item.fixes):
        package = f"{identity.distribution.capitalize()}'s package {fixed_in}"
        return f"Install {package} of {identity.title}, or later."
    if item.advice:
        return item.advice
    if fixed_in:
        return f"Update {identity.title} to {fixed_in} or later."
    return f"Update {identity.title} to the newest maintained release."


def _cannot_tell(unsure: list[tuple[Assessment, Score]], identity: Identity, heard: Heard, place: Place) -> Finding:
    """One line for all that cannot be decided from outside."""
    worst = min((s for _, s in unsure), key=lambda s: (severity_of(s.severity).rank, -(s.base or 0)))
    cves = tuple(sorted(a.vulnerability.cve for a, _ in unsure))
    package = f"the installed package of {identity.title}"
    advice = f"Check that {package} has all updates; if it has, nothing more is needed."
    whys = list(dict.fromkeys(a.why for a, _ in unsure))
    fixes = [a.fixed_in for a, _ in unsure]
    return Finding(
        key=finding_key(place.member, place.target, heard.port, "cannot-tell", identity.title),
        check="cannot-tell",
        title=f"Cannot tell from outside whether {identity.name} has all repairs",
        target=place.target,
        port=heard.port,
        product=identity.title,
        version=identity.version,
        cves=cves,
        severity=severity_of(worst.severity),
        score=worst.base,
        vector="",
        exploited_since="",
        ransomware=False,
        confidence=Confidence.POSSIBLE,
        why=" ".join(whys[:3]) + (f" And {len(whys) - 3} further reasons." if len(whys) > 3 else ""),
        evidence=heard.banner,
        advice=advice,
        # Only the version that repairs all of them is a promise; unknown where one is.
        fixed_in=max(fixes, key=version_key) if all(fixes) else "",
        source=unsure[0][0].vulnerability.source,
    )
