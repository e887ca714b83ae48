"""The scan itself: authority, then ports, then conclusions, then one result.

Order per target: consent in force, name resolved and checked, proof fetched, and only then the first scan
packet. The consent is asked again before every connection, so a withdrawal or the end of the window stops
a running scan. What could not be done is in the result as "not tested", never left out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from cyberalarm import __version__
from cyberalarm.core.errors import NotReachableError, RefusedError
from cyberalarm.scanner.authority import Permit, obtain_permit
from cyberalarm.scanner.conclusions import Place, conclude
from cyberalarm.scanner.consent import Consent, ConsentedTarget, Tier, load_consent
from cyberalarm.scanner.engines.probe import Heard, probe_port
from cyberalarm.scanner.errors import AuthorityError, ProbeError, ResultError
from cyberalarm.scanner.feeds.recog import imported_fingerprints
from cyberalarm.scanner.feeds.starter import NOTE as STARTER_NOTE
from cyberalarm.scanner.feeds.store import VulnDb
from cyberalarm.scanner.findings import Finding, urgency
from cyberalarm.scanner.lifecycle import compared
from cyberalarm.scanner.networks import Lab
from cyberalarm.scanner.recognise import Recogniser
from cyberalarm.scanner.report import ReportFiles, write_report
from cyberalarm.scanner.resolve import Resolver, ask_dns
from cyberalarm.scanner.result import Authority, NotTested, RuledOut, ScanResult, TargetRun, read_result
from cyberalarm.scanner.wire import (
    DEFAULT_AT_ONCE,
    DEFAULT_RATE,
    Dialler,
    Pace,
    PortClosedError,
    PortSilentError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cyberalarm.scanner.identity import Service

log = structlog.get_logger(__name__)

TARGET_SECONDS = 30 * 60  # the longest that one target is bothered
_STALE_HOURS = 48  # feeds older than this are named in the report
# What no run of this version does; every report says so.
_NEVER_TESTED = (
    ("UDP services", "This version asks TCP only."),
    (
        "Anonymous sign-in, open relays and open proxies",
        "They need a further consent that this version does not take.",
    ),
    ("Website content, scripts and plug-ins", "Only the server's own headers are read."),
    ("Mail and name-service records (SPF, DMARC, DNSSEC)", "Not part of this version."),
)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """How to scan. `rate` is new connections a second per target; raising it is for the lab only."""

    vulndb: Path | None = None
    lab: Lab = field(default_factory=Lab)
    rate: float = DEFAULT_RATE
    at_once: int = DEFAULT_AT_ONCE
    previous: Path | None = None
    resolver: Resolver = ask_dns
    now: Callable[[], datetime] = _now
    progress: Callable[[str, int, int], None] = lambda _host, _done, _all: None


@dataclass(slots=True)
class _Gathered:
    runs: list[TargetRun] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    ruled_out: list[RuledOut] = field(default_factory=list)
    not_tested: list[NotTested] = field(default_factory=list)


def scan_targets(consent_path: Path, out: Path, options: Options | None = None) -> tuple[ScanResult, ReportFiles]:
    """Scan everything that a consent file allows, and write the report's files into a folder.

    Raises AuthorityError, before any packet, when the consent is not in force. A target whose proof fails is
    not scanned and is named under "not tested"; the others go on.
    """
    options = options or Options()
    result = asyncio.run(scan(consent_path, options))
    return result, write_report(result, out)


async def scan(consent_path: Path, options: Options) -> ScanResult:
    """The result of scanning everything that a consent file allows."""
    consent = load_consent(consent_path)
    consent.check_in_force(options.now())
    previous = read_result(options.previous) if options.previous else None
    if previous is not None and previous.authority.member != consent.member:
        raise ResultError("The previous result is another member's.", next_step="Name this member's last result.")
    if not options.lab and (options.rate > DEFAULT_RATE or options.at_once > DEFAULT_AT_ONCE):
        raise AuthorityError("Faster scanning is for the lab only.", code="scanner.authority.rate")
    db = VulnDb.open(options.vulndb)
    try:
        return await _scan(consent, consent_path, options, previous, db)
    finally:
        db.close()


async def _scan(
    consent: Consent, consent_path: Path, options: Options, previous: ScanResult | None, db: VulnDb
) -> ScanResult:
    started = options.now()
    recogniser = Recogniser(imported_fingerprints(db))
    gathered = _Gathered(not_tested=[NotTested("", what, why, failed=False) for what, why in _NEVER_TESTED])
    gathered.not_tested += _feed_warnings(db, started)

    def allowed() -> None:
        load_consent(consent_path).check_in_force(options.now())

    for target in consent.targets:
        await _scan_target(consent, target, allowed, options, recogniser, db, gathered)
    findings, gone = compared(gathered.findings, gathered.services, previous, started.date().isoformat())
    return ScanResult(
        kind="cyberalarm-scan-result/1",
        lab=bool(options.lab),
        program=f"CyberAlarm {__version__}",
        authority=_authority(consent),
        started=started,
        ended=options.now(),
        targets=tuple(gathered.runs),
        services=tuple(gathered.services),
        findings=tuple(sorted(findings, key=urgency)),
        gone=gone,
        ruled_out=tuple(gathered.ruled_out),
        not_tested=tuple(gathered.not_tested),
        feeds=db.feeds(),
    )


def _authority(consent: Consent) -> Authority:
    return Authority(
        member=consent.member,
        member_name=consent.member_name,
        accepted_by=consent.accepted_by,
        role=consent.role,
        accepted=consent.accepted,
        expires=consent.expires,
        text_version=consent.text_version,
        tiers=tuple(str(t) for t in consent.tiers),
    )


def _feed_warnings(db: VulnDb, now: datetime) -> list[NotTested]:
    feeds = db.feeds()
    if all(f.note == STARTER_NOTE or f.name == "kev" or f.name == "recog" for f in feeds):
        why = "Only the starter set of well-known vulnerabilities is here; no complete feed was imported."
        return [NotTested("", "Most known vulnerabilities", why, failed=False)]
    stale = [f.name for f in feeds if f.note != STARTER_NOTE and _hours_old(f.imported, now) > _STALE_HOURS]
    if stale:
        why = f"These feeds were imported more than {_STALE_HOURS} hours ago: {', '.join(stale)}."
        return [NotTested("", "Vulnerabilities published since the last import", why, failed=False)]
    return []


def _hours_old(stamp: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(stamp)).total_seconds() / 3600


async def _scan_target(
    consent: Consent,
    target: ConsentedTarget,
    allowed: Callable[[], None],
    options: Options,
    recogniser: Recogniser,
    db: VulnDb,
    gathered: _Gathered,
) -> None:
    started = options.now()
    try:
        permit = await obtain_permit(
            consent, target, resolver=options.resolver, lab=options.lab, now=options.now, allowed=allowed
        )
    except (RefusedError, NotReachableError) as error:
        log.info("scan.refused", code=error.code)
        gathered.not_tested.append(NotTested(target.host, "The whole target", str(error), failed=True))
        gathered.runs.append(TargetRun(target.host, "", None, started, options.now(), (), 0, 0, 0, ""))
        return
    dialler = Dialler(permit.address, permit.ports, allowed, Pace(options.rate, options.at_once))
    asked = await _ask_ports(dialler, permit, options, gathered)
    place = Place(consent.member, target.host, permit.address)
    for heard in asked.heard:
        conclusion = conclude(heard, place, recogniser, db, options.now())
        gathered.services.append(conclusion.service)
        gathered.findings.extend(conclusion.findings)
        gathered.ruled_out.extend(conclusion.ruled_out)
    gathered.not_tested += _left_out(target, consent.tiers, permit.tiers, asked)
    gathered.runs.append(
        TargetRun(
            host=target.host, address=str(permit.address), proved=permit.proved, started=started,
            ended=options.now(),
            asked_ports=tuple(sorted(permit.ports)), closed_ports=asked.closed, silent_ports=asked.silent,
            connections=dialler.connections, source=dialler.source or permit.source,
        )
    )  # fmt: skip
    log.info(
        "scan.target",
        open=len(asked.heard),
        closed=asked.closed,
        silent=asked.silent,
        connections=dialler.connections,
    )


@dataclass(slots=True)
class _Asked:
    heard: list[Heard] = field(default_factory=list)
    closed: int = 0
    silent: int = 0
    failed: list[NotTested] = field(default_factory=list)


async def _ask_ports(dialler: Dialler, permit: Permit, options: Options, gathered: _Gathered) -> _Asked:
    """Ask every permitted port. A refusal on the way (withdrawn, unwelcome) ends it and is kept."""
    asked = _Asked()
    done = 0

    async def one(port: int) -> None:
        nonlocal done
        try:
            asked.heard.append(await probe_port(dialler, permit.host, port, permit.tiers))
        except PortClosedError:
            asked.closed += 1
        except PortSilentError:
            asked.silent += 1
        except ProbeError as error:
            asked.failed.append(NotTested(permit.host, f"Port {port}", error.what, failed=True))
        done += 1
        options.progress(permit.host, done, len(permit.ports))

    try:
        async with asyncio.timeout(TARGET_SECONDS), asyncio.TaskGroup() as group:
            for port in sorted(permit.ports):
                group.create_task(one(port))
    except* RefusedError as stopped:
        asked.failed.append(
            NotTested(permit.host, "The rest of the target", str(_first(stopped.exceptions)), failed=True)
        )
    except* TimeoutError:
        asked.failed.append(
            NotTested(permit.host, "The rest of the target", "It took longer than half an hour.", failed=True)
        )
    asked.heard.sort(key=lambda h: h.port)
    gathered.not_tested += asked.failed
    return asked


def _first(errors: Iterable[BaseException]) -> BaseException:
    error = next(iter(errors))
    return _first(error.exceptions) if isinstance(error, BaseExceptionGroup) else error


def _left_out(
    target: ConsentedTarget, tiers: tuple[Tier, ...], proven: tuple[Tier, ...], asked: _Asked
) -> list[NotTested]:
    found = []
    if asked.silent:
        found.append(
            NotTested(
                target.host,
                f"{asked.silent} ports",
                "They gave no answer; a firewall drops what is sent there.",
                failed=False,
            )
        )
    if Tier.SERVICES not in tiers:
        found.append(
            NotTested(
                target.host,
                "Other ports than the website's",
                "The consent is for the website only.",
                failed=False,
            )
        )
    elif target.hosted_elsewhere:
        found.append(
            NotTested(
                target.host,
                "Other ports than the website's",
                "The host belongs to another company.",
                failed=False,
            )
        )
    elif Tier.SERVICES not in proven:
        found.append(
            NotTested(
                target.host,
                "Other ports than the website's",
                "The proof was served under a name, whose machine may be shared. Add the address as a target of its own.",
                failed=False,
            )
        )
    if Tier.WEB not in tiers:
        found.append(NotTested(target.host, "The website as such", "The consent is for services only.", failed=False))
    why = "The port is open and does not say what it is."
    mute = [h.port for h in asked.heard if h.protocol in {"unknown", "refusing", "tls"}]
    return found + [NotTested(target.host, f"What runs on port {port}", why, failed=False) for port in mute]
