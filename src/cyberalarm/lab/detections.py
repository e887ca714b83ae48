"""Scripted things that a detector recognises: known flaws tried, malware, spam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.core.outcome import Outcome
from cyberalarm.lab import countries, signatures
from cyberalarm.lab.clock import MILLISECONDS_A_MINUTE as MINUTE
from cyberalarm.lab.clock import MILLISECONDS_AN_HOUR as HOUR
from cyberalarm.lab.episodes import Episode, Kind, Window
from cyberalarm.lab.maker import digest, mail_lines
from cyberalarm.lab.randomness import times
from cyberalarm.lab.scenario import Vendor
from cyberalarm.lab.targets import hosts
from cyberalarm.lab.traffic import TCP, Alert, Connection, Flow, Infection, Way

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device, Member
    from cyberalarm.lab.traffic import Signature


def ids_exploit(
    member: Member, device: Device, window: Window, rng: Random, known: tuple[Signature, ...], share: float
) -> Episode:
    """Three sources try known flaws against the website, thirty times in twenty minutes."""
    name = f"{member.key}-exploits-{device.vendor}"
    sources = tuple(countries.address(rng, countries.SCRIPTED, code) for code in ("NL", "US", "GB"))
    start = window.at(share)
    flows = tuple(
        Flow(
            at,
            device.name,
            Alert(
                Connection(
                    sources[i % 3],
                    member.website,
                    rng.randrange(1024, 65536),
                    80,
                    TCP,
                    Way.INBOUND,
                    allowed=True,
                    session=rng.getrandbits(31),
                    sent=rng.randrange(300, 1500),
                    received=400,
                    packets=6,
                    translated=member.server,
                ),
                known[i % len(known)],
                blocked=device.vendor is Vendor.FORTIGATE,
                url="/cgi-bin/.%2e/.%2e/bin/sh",
            ),
            Outcome.KEPT,
            name,
        )
        for i, at in enumerate(times(rng, start, start + 20 * MINUTE, 30))
    )
    cves = tuple(sorted({cve for s in known for cve in s.cves}))
    # without a CVE number the alert is kept, but names no flaw that a rule could raise
    findings = ("exploit-attempt",) if cves else ()
    return Episode(name, Kind.IDS_EXPLOIT, member.key, sources, (member.website,), (80,), flows, findings, cves=cves)


def malware_on_disk(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """The virus scanner finds six files on a share within the hour."""
    name = f"{member.key}-malware-files"
    start = window.at(0.66)
    found = tuple(rng.choice((signatures.CLAMAV_NAMES[0], signatures.CLAMAV_NAMES[2])) for _ in range(6))
    flows = tuple(
        Flow(
            at,
            device.name,
            Infection(malware, f"/srv/share/post/invoice-{i}.doc", digest(f"{name}{i}")),
            Outcome.KEPT,
            name,
        )
        for i, (at, malware) in enumerate(zip(times(rng, start, start + HOUR, 6), found, strict=True))
    )
    return Episode(name, Kind.MALWARE, member.key, (), (), (), flows, ("malware",), malware=tuple(sorted(set(found))))


def malware_in_transit(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """The firewall's virus check stops downloads of people inside, from two sites."""
    name = f"{member.key}-malware-web"
    sites = tuple(countries.address(rng, countries.SCRIPTED, code) for code in ("BG", "US"))
    start = window.at(0.47)
    flows = []
    for i, at in enumerate(times(rng, start, start + 30 * MINUTE, 8)):
        malware = signatures.FORTIGATE_NAMES[i % 3]
        connection = Connection(
            f"{member.lan}.7.{20 + i}",
            sites[i % 2],
            rng.randrange(32768, 61000),
            80,
            TCP,
            Way.OUTBOUND,
            allowed=True,
            session=rng.getrandbits(31),
            sent=500,
            received=60_000,
            packets=50,
            translated=hosts(member)[0],
        )
        path = f"/downloads/update-{i}.exe"
        event = Infection(malware, path, digest(path), connection, url=f"http://files.example.com{path}")
        flows.append(Flow(at, device.name, event, Outcome.KEPT, name))
    return Episode(
        name,
        Kind.MALWARE,
        member.key,
        sites,
        (),
        (80,),
        tuple(flows),
        ("malware",),
        malware=tuple(sorted(signatures.FORTIGATE_NAMES)),
    )


def spam_run(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """Forty sources send 240 spam messages in forty minutes."""
    name = f"{member.key}-spam-run"
    sources = tuple(sorted({countries.address(rng, countries.SCRIPTED) for _ in range(40)}))
    start = window.at(0.57)
    flows: list[Flow] = []
    for at in times(rng, start, start + 40 * MINUTE, 240):
        lines = mail_lines(
            at,
            device,
            rng.choice(sources),
            f"billing{rng.randrange(99)}@parcel-fee.example.net",
            member.domain,
            rng.uniform(17.0, 28.0),
            rng,
        )
        flows += [Flow(f.time, f.device, f.event, f.outcome, name) for f in lines]
    # spamd names no client
    known = sources if device.vendor is Vendor.RSPAMD else ()
    return Episode(name, Kind.SPAM_RUN, member.key, known, (), (), tuple(flows), ("spam-run",))
