"""From an identity to vulnerabilities, with every step in words.

Pure: an identity and a store in, assessments out. A match by version alone is never "confirmed". Where a
distribution repairs old versions, the version number says little: the package revision decides, or the
answer is "possible".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cyberalarm.scanner.configurations import Truth, evaluate
from cyberalarm.scanner.findings import Confidence
from cyberalarm.scanner.versions import debian_key, upstream_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.scanner.feeds.store import VulnDb
    from cyberalarm.scanner.feeds.vulnerability import DistributionFix, Vulnerability
    from cyberalarm.scanner.identity import Identity

# Distributions that put repairs into old versions without changing the number.
BACKPORTING = frozenset({"debian", "ubuntu", "raspbian", "redhat", "suse", "amazon", "freebsd"})
# Whose package revisions compare by dpkg's rules.
_DPKG = frozenset({"debian", "ubuntu", "raspbian"})


@dataclass(frozen=True, slots=True)
class Assessment:
    """One vulnerability against one identity. `confidence` is None where it does not apply."""

    vulnerability: Vulnerability
    confidence: Confidence | None
    why: str
    fixed_in: str
    steps: tuple[str, ...]
    ruled_out_by_package: bool = False


def assess(vulnerability: Vulnerability, identity: Identity) -> Assessment:
    """Decide whether a vulnerability applies to what was seen."""
    verdict = evaluate(vulnerability.configurations, identity)
    steps = (_seen(identity), *verdict.steps)
    fixed_in = vulnerability.fixed_in or (verdict.criterion.fixed_in if verdict.criterion else "")
    base = Assessment(vulnerability, None, "", fixed_in, steps)
    if vulnerability.status == "rejected":
        return _with(base, None, "The record was rejected by its issuer.")
    if verdict.truth is Truth.NO:
        return _with(base, None, f"{identity.name} is not in an affected range.")
    if not identity.version:
        return _with(base, Confidence.POSSIBLE, "The service does not tell its version.")
    if verdict.truth is Truth.UNKNOWN:
        return _with(
            base,
            Confidence.POSSIBLE,
            "The version is affected together with something that cannot be seen from outside.",
        )
    return _by_package(base, identity)


def _by_package(base: Assessment, identity: Identity) -> Assessment:
    """The version is in range: is it the maker's, or a package that may be repaired?"""
    if identity.distribution in BACKPORTING:
        fix = _applicable_fix(base.vulnerability.fixes, identity)
        if fix is None:
            return _with(base, Confidence.POSSIBLE, _may_be_repaired(identity))
        if debian_key(identity.revision) >= debian_key(fix.fixed):
            done = _with(base, None, f"The package {identity.revision} holds the repair (since {fix.fixed}).")
            return replace(done, ruled_out_by_package=True)
        base = replace(base, fixed_in=fix.fixed)
        why = f"The package {identity.revision} is older than {fix.fixed}, which holds the repair."
        return _with(base, _conditional(base, Confidence.FIRM), why)
    if identity.packaged and not identity.platform:
        return _with(
            base,
            _conditional(base, Confidence.PROBABLE),
            f"{identity.name} is in an affected range; whether it is a repaired package cannot be seen.",
        )
    return _with(
        base,
        _conditional(base, Confidence.FIRM),
        f"{identity.name} is in an affected range, and shows no distribution that repairs old versions.",
    )


def _conditional(base: Assessment, confidence: Confidence) -> Confidence:
    """A condition that cannot be seen from outside keeps a match from being more than possible."""
    return Confidence.POSSIBLE if base.vulnerability.condition else confidence


def _with(base: Assessment, confidence: Confidence | None, why: str) -> Assessment:
    condition = base.vulnerability.condition
    if confidence is not None and condition:
        why = f"{why} It matters only if {condition}."
    return replace(base, confidence=confidence, why=why, steps=(*base.steps, why))


def _seen(identity: Identity) -> str:
    parts = [
        f"seen: {identity.title}",
        f"version {identity.version}" if identity.version else "version not shown",
    ]
    parts += [f"packaged by {identity.distribution}"] if identity.distribution else []
    parts += [f"package {identity.revision}"] if identity.revision else []
    parts += [f"on {identity.platform}"] if identity.platform else []
    return ", ".join(parts)


def _may_be_repaired(identity: Identity) -> str:
    if identity.revision:
        return f"Nothing is known here about package {identity.revision}; the distribution repairs old versions."
    return f"{identity.distribution.capitalize()} repairs old versions without changing their number."


def _applicable_fix(fixes: Iterable[DistributionFix], identity: Identity) -> DistributionFix | None:
    """The fix of the very release that the package belongs to, told by the maker's part of the version."""
    if not identity.revision or identity.distribution not in _DPKG:
        return None
    upstream = upstream_of(identity.revision)
    for fix in fixes:
        if fix.distribution == identity.distribution and upstream_of(fix.fixed) == upstream:
            return fix
    return None


def match(identity: Identity, db: VulnDb) -> tuple[Assessment, ...]:
    """Every vulnerability that names the product, assessed; those that do not apply are among them."""
    return tuple(assess(v, identity) for v in db.naming(identity.vendor, identity.product))
