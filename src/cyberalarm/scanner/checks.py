"""Findings from behaviour that was seen, not from version numbers: TLS, certificates, exposed and open
services.

Each check is confirmed by what the port did. `checks.toml` holds title, severity and advice; this file
holds when.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cyberalarm.core.ports import known_ports
from cyberalarm.scanner.findings import Confidence, Finding, Severity, finding_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.scanner.engines.probe import Heard

_SOON = timedelta(days=14)
_SMALLEST_RSA = 2048  # NIST SP 800-131A
_OLD_VERSIONS = ("TLS 1.0", "TLS 1.1")  # RFC 8996
# Protocols that should not face the Internet, by what was heard there.
_EXPOSED_PROTOCOLS = frozenset({"mysql", "redis", "telnet", "vnc"})


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    title: str
    severity: Severity
    advice: str


@cache
def checks() -> dict[str, Check]:
    table = tomllib.loads(files(__package__).joinpath("checks.toml").read_text("utf-8"))
    return {r["name"]: Check(r["name"], r["title"], Severity(r["severity"]), r["advice"]) for r in table["check"]}


@dataclass(frozen=True, slots=True)
class _Seen:
    check: str
    why: str
    confidence: Confidence = Confidence.CONFIRMED


def behaviour_findings(heard: Heard, member: str, target: str, now: datetime) -> tuple[Finding, ...]:
    """All that the behaviour of one port shows."""
    return tuple(_finding(seen, heard, member, target) for seen in (*_exposure(heard), *_tls(heard, target, now)))


def _exposure(heard: Heard) -> Iterator[_Seen]:
    if heard.open_to_all:
        yield _Seen("open-without-password", "The service answered without asking for a password.")
    if heard.protocol in _EXPOSED_PROTOCOLS:
        yield _Seen(f"exposed-{heard.protocol}", f"The service greeted us as {heard.protocol}.")
        return
    port = known_ports().get(heard.port)
    if port is not None and port.risky and heard.protocol in {"", "unknown"}:
        yield _Seen("exposed-port", f"The port of “{port.name}” is open.", Confidence.PROBABLE)
    if heard.protocol == "ftp":
        yield _Seen("clear-text-ftp", "The service greeted us as FTP, without encryption.")


def _tls(heard: Heard, target: str, now: datetime) -> Iterator[_Seen]:
    facts = heard.tls
    if facts is None:
        return
    if "SSL 3.0" in facts.versions:
        yield _Seen("tls-ssl3", "The server chose SSL 3.0 when asked.")
    old = [v for v in _OLD_VERSIONS if v in facts.versions]
    if old:
        yield _Seen("tls-old", f"The server chose {' and '.join(old)} when asked.")
    if facts.weak_suite:
        yield _Seen("tls-weak-suite", f"The server chose {facts.weak_suite} when asked.")
    certificate = facts.certificate
    if certificate is None:
        return
    if certificate.not_after < now:
        yield _Seen("certificate-expired", f"It ran out on {certificate.not_after:%d %B %Y}.")
    elif certificate.not_after < now + _SOON:
        yield _Seen("certificate-soon", f"It runs out on {certificate.not_after:%d %B %Y}.")
    if certificate.self_signed:
        yield _Seen("certificate-self-signed", "Issuer and subject are the same.")
    if not _is_address(target) and not certificate.covers(target):
        yield _Seen("certificate-name", f"It is for {', '.join(certificate.names[:3]) or 'no name'}.")
    if 0 < certificate.rsa_bits < _SMALLEST_RSA or certificate.old_signature:
        what = f"{certificate.rsa_bits}-bit RSA key" if certificate.rsa_bits else ""
        yield _Seen("certificate-weak", " ".join(filter(None, (what, certificate.old_signature, "in use."))))


def _is_address(target: str) -> bool:
    try:
        ip_address(target)
    except ValueError:
        return False
    return True


def _finding(seen: _Seen, heard: Heard, member: str, target: str) -> Finding:
    check = checks()[seen.check]
    return Finding(
        key=finding_key(member, target, heard.port, check.name, ""),
        check=check.name,
        title=check.title,
        target=target,
        port=heard.port,
        product="",
        version="",
        cves=(),
        severity=check.severity,
        score=None,
        vector="",
        exploited_since="",
        ransomware=False,
        confidence=seen.confidence,
        why=seen.why,
        evidence=heard.banner,
        advice=check.advice,
        fixed_in="",
        source="behaviour",
    )
