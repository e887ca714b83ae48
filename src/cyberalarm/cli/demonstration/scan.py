"""The scan of the demonstration: decoys on loopback stand for one member's neglected services.

The decoys' truth stands here, and is compared with what the real scanner says: which vulnerabilities it must name, and one that it
must rule out although the version alone would match.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.scanner.result import ScanResult

# Facts about the banners of `lab.decoys.demonstration`: Apache 2.4.49, OpenSSH 9.2p1 in its second Debian revision,
# vsftpd 2.3.4, Exim 4.89.
MUST_NAME = ("CVE-2021-41773", "CVE-2021-42013", "CVE-2024-6387", "CVE-2011-2523", "CVE-2019-10149")
# Debian's seventh revision of the same OpenSSH has the fix.
MUST_RULE_OUT = "CVE-2024-6387"


@dataclass(frozen=True, slots=True)
class ScanVerdict:
    """What the scanner found, and what it should have and did not."""

    services: int
    findings: int
    cves: tuple[str, ...]
    missing: tuple[str, ...]
    report: Path


def scan(folder: Path, member: str, name: str) -> ScanVerdict:
    """Scan the decoys with consent and proof, and judge the result. Takes some seconds."""
    from cyberalarm.lab.decoys import WebDecoy, demonstration, running
    from cyberalarm.scanner.consent import Consent, Tier, new_target, save_consent
    from cyberalarm.scanner.networks import Lab
    from cyberalarm.scanner.scan import Options, scan_targets

    folder.mkdir()
    website, *others = demonstration()
    assert isinstance(website, WebDecoy)
    target, token = new_target(member, "127.0.0.1")
    with running([replace(website, token=token), *others]) as places:
        ports = tuple(place.port for place in places)
        target = target.model_copy(update={"ports": ports, "web_ports": ports[:1], "proof_port": ports[0]})
        now = datetime.now(UTC)
        consent = Consent(
            member=member,
            member_name=name,
            accepted_by="Office manager",
            role="May decide for the organisation",
            accepted=now - timedelta(minutes=1),
            expires=now + timedelta(days=30),
            tiers=(Tier.WEB, Tier.SERVICES),
            targets=(target,),
        )
        path = folder / "consent.json"
        save_consent(consent, path)
        result, files = scan_targets(path, folder / "report", Options(lab=Lab.of(["127.0.0.1"])))
    return judge(result, files.html)


def judge(result: ScanResult, report: Path) -> ScanVerdict:
    """Compare a result with the decoys' truth."""
    named = {cve for finding in result.findings for cve in finding.cves}
    missing = [f"{cve} was not found" for cve in MUST_NAME if cve not in named]
    if not any(ruled.cve == MUST_RULE_OUT for ruled in result.ruled_out):
        missing.append(f"{MUST_RULE_OUT} was not ruled out where it is repaired")
    return ScanVerdict(len(result.services), len(result.findings), tuple(sorted(named)), tuple(missing), report)
