"""Why a CVE does or does not apply to a banner, step by step, without asking any host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.scanner.engines.banner import read_banner
from cyberalarm.scanner.feeds.recog import imported_fingerprints
from cyberalarm.scanner.feeds.store import VulnDb
from cyberalarm.scanner.identity import Identity, Observation
from cyberalarm.scanner.matching import assess
from cyberalarm.scanner.recognise import Recogniser

if TYPE_CHECKING:
    from pathlib import Path

_HEADERS = {"server": "http.server", "x-powered-by": "http.powered-by"}


@dataclass(frozen=True, slots=True)
class Explanation:
    cve: str
    product: str
    confidence: str
    steps: tuple[str, ...]


def identify(banner: str, recogniser: Recogniser) -> tuple[Identity, ...]:
    """The products that a greeting or a `Server:` header names."""
    name, colon, value = banner.partition(":")
    kind = _HEADERS.get(name.strip().lower())
    if colon and kind:
        return recogniser.identify(Observation(kind, value.strip()))
    seen = read_banner(banner.encode()).observations
    return tuple(identity for observation in seen for identity in recogniser.identify(observation))


def explain_cve(cve: str, banner: str, vulndb: Path | None) -> tuple[Explanation, ...]:
    """Each step from banner to verdict. Raises CyberAlarmError for an unknown CVE or banner."""
    db = VulnDb.open(vulndb)
    try:
        item = db.vulnerability(cve.upper())
        identities = identify(banner, Recogniser(imported_fingerprints(db)))
    finally:
        db.close()
    if item is None:
        raise CyberAlarmError(
            f"{cve} is in no imported feed.",
            next_step="Import a feed that has it.",
            code="scanner.explain.cve",
        )
    if not identities:
        raise CyberAlarmError(
            "No fingerprint knows this text.",
            next_step="Give it as the service sent it.",
            code="scanner.explain.banner",
        )
    found = []
    for identity in identities:
        result = assess(item, identity)
        words = str(result.confidence) if result.confidence else "does not apply"
        found.append(Explanation(item.cve, identity.name, words, result.steps))
    return tuple(found)
