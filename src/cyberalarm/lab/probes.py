"""Scripted tries to get in, and floods: what a firewall sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.core.outcome import Outcome
from cyberalarm.lab import countries
from cyberalarm.lab.clock import MILLISECONDS_A_DAY as DAY
from cyberalarm.lab.clock import MILLISECONDS_A_MINUTE as MINUTE
from cyberalarm.lab.episodes import Episode, Kind, Window
from cyberalarm.lab.randomness import times
from cyberalarm.lab.scenario import Vendor
from cyberalarm.lab.targets import hosts
from cyberalarm.lab.traffic import TCP, UDP, Connection, Flow, Way

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device, Member, Scenario


def _packet(
    rng: Random,
    src: str,
    dst: str,
    port: int,
    protocol: int = TCP,
    *,
    allowed: bool = False,
    src_port: int = 0,
    sent: int = 60,
) -> Connection:
    return Connection(
        src,
        dst,
        src_port or rng.randrange(1024, 65536),
        port,
        protocol,
        Way.INBOUND,
        allowed,
        rng.getrandbits(31),
        sent,
    )


def vertical_scan(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """One source tries 300 ports of one address in three minutes."""
    name = f"{member.key}-port-scan"
    source, target = countries.address(rng, countries.SCRIPTED, "RU"), member.website
    ports = tuple(rng.sample(range(1, 10_000), 300))
    start = window.at(0.42)
    flows = tuple(
        Flow(at, device.name, _packet(rng, source, target, port, sent=44), Outcome.KEPT, name)
        for at, port in zip(times(rng, start, start + 3 * MINUTE, len(ports)), ports, strict=True)
    )
    return Episode(
        name,
        Kind.VERTICAL_SCAN,
        member.key,
        (source,),
        (target,),
        tuple(sorted(ports)),
        flows,
        ("port-scan",),
    )


def sweep(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """One source tries file sharing at every public address in four minutes."""
    name = f"{member.key}-sweep"
    source, targets = countries.address(rng, countries.SCRIPTED, "US"), hosts(member)
    start = window.at(0.61)
    flows = tuple(
        Flow(at, device.name, _packet(rng, source, target, 445, sent=52), Outcome.KEPT, name)
        for at, target in zip(times(rng, start, start + 4 * MINUTE, len(targets)), targets, strict=True)
    )
    return Episode(name, Kind.HORIZONTAL_SWEEP, member.key, (source,), targets, (445,), flows, ("network-sweep",))


def slow_scan(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """One source tries one port of one address about every twenty minutes, for up to three days."""
    name = f"{member.key}-slow-scan"
    source, target = countries.address(rng, countries.SCRIPTED, "NL"), hosts(member)[39]
    end = window.at(0.95)
    count = min(3 * DAY, int((window.end - window.start) * 0.9)) // (20 * MINUTE)
    ports = tuple(rng.sample(range(20, 9_000), count))
    flows = tuple(
        Flow(
            end - (count - i) * 20 * MINUTE + rng.randrange(4 * MINUTE),
            device.name,
            _packet(rng, source, target, port),
            Outcome.KEPT,
            name,
        )
        for i, port in enumerate(ports)
    )
    return Episode(name, Kind.SLOW_SCAN, member.key, (source,), (target,), tuple(sorted(ports)), flows, ("slow-scan",))


def ssh_guessing(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """Two sources try the remote shell 360 times in 25 minutes."""
    name = f"{member.key}-ssh-guessing"
    sources = (
        countries.address(rng, countries.SCRIPTED, "CN"),
        countries.address(rng, countries.SCRIPTED, "VN"),
    )
    start = window.at(0.73)
    flows = tuple(
        Flow(at, device.name, _packet(rng, sources[i % 2], member.website, 22), Outcome.KEPT, name)
        for i, at in enumerate(times(rng, start, start + 25 * MINUTE, 360))
    )
    return Episode(name, Kind.SSH_GUESSING, member.key, sources, (member.website,), (22,), flows, ("ssh-guessing",))


def remote_desktop_guessing(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """Two sources try remote desktop for hours, and the firewall lets them in."""
    name = f"{member.key}-remote-desktop"
    sources = (
        countries.address(rng, countries.SCRIPTED, "RU"),
        countries.address(rng, countries.SCRIPTED, "UA"),
    )
    target = hosts(member)[19]
    start = window.at(0.52)
    flows = tuple(
        Flow(
            at,
            device.name,
            Connection(
                sources[i % 2],
                target,
                rng.randrange(1024, 65536),
                3389,
                TCP,
                Way.INBOUND,
                allowed=True,
                session=rng.getrandbits(31),
                sent=rng.randrange(1_800, 4_000),
                received=rng.randrange(1_500, 3_000),
                packets=rng.randrange(9, 22),
                seconds=rng.randrange(1, 6),
                translated=member.server,
            ),
            Outcome.KEPT,
            name,
        )
        for i, at in enumerate(times(rng, start, start + 150 * MINUTE, 900))
    )
    return Episode(
        name,
        Kind.REMOTE_DESKTOP_GUESSING,
        member.key,
        sources,
        (target,),
        (3389,),
        flows,
        ("remote-desktop-guessing", "open-risky-port"),
        allowed=True,
    )


def amplification_victim(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """Eighty reflectors send large replies that nobody asked for to one address for seven minutes."""
    name = f"{member.key}-amplification"
    reflectors = tuple(sorted({countries.address(rng, countries.SCRIPTED) for _ in range(80)}))
    services = {r: rng.choice(((53, 1480), (123, 468), (389, 1452), (11211, 1428))) for r in reflectors}
    target = hosts(member)[4]
    start = window.at(0.84)
    flows = []
    for at in times(rng, start, start + 7 * MINUTE, 3_000):
        source = rng.choice(reflectors)
        port, size = services[source]
        packet = _packet(rng, source, target, rng.randrange(1024, 65536), UDP, src_port=port, sent=size)
        flows.append(Flow(at, device.name, packet, Outcome.KEPT, name))
    return Episode(
        name,
        Kind.AMPLIFICATION_VICTIM,
        member.key,
        reflectors,
        (target,),
        (53, 123, 389, 11211),
        tuple(flows),
        ("amplification-victim",),
        spoofable=True,
    )


def amplification_reflector(member: Member, device: Device, window: Window, rng: Random) -> Episode:
    """Small requests to the member's clock and directory services, in the name of one victim.

    The member's answers, many times larger, hit that victim.
    """
    name = f"{member.key}-reflector"
    victim = countries.address(rng, countries.SCRIPTED, "DE")
    # an NTP monlist request and a connectionless LDAP search, with IP headers (CISA alert TA14-017A)
    ports, sizes = (123, 389), (36, 80)
    start = window.at(0.31)
    flows = tuple(
        Flow(
            at,
            device.name,
            _packet(rng, victim, member.website, ports[i % 2], UDP, allowed=True, src_port=80, sent=sizes[i % 2]),
            Outcome.KEPT,
            name,
        )
        for i, at in enumerate(times(rng, start, start + 10 * MINUTE, 2_400))
    )
    return Episode(
        name,
        Kind.AMPLIFICATION_REFLECTOR,
        member.key,
        (victim,),
        (member.website,),
        ports,
        flows,
        ("amplification-reflector",),
        allowed=True,
        spoofable=True,
    )


def shared_source(scenario: Scenario, window: Window, rng: Random) -> Episode:
    """One source tries router management at every member, each day more often than the day before."""
    name = "everywhere-rising"
    source, port = countries.address(rng, countries.SCRIPTED, "IR"), 8291
    days = max(1, (window.end - window.start) // DAY)
    flows: list[Flow] = []
    for member in scenario.members:
        device = firewall(member)
        targets = hosts(member)
        for day in range(days):
            start = window.start + day * DAY
            end = min(start + DAY, window.end)
            for at in times(rng, start, end, round(8 * 1.6**day) if day < 8 else 340):
                packet = _packet(rng, source, rng.choice(targets), port, sent=44)
                flows.append(Flow(at, device.name, packet, Outcome.KEPT, name))
    return Episode(name, Kind.SHARED_SOURCE, "", (source,), (), (port,), tuple(flows), ("source-at-several-members",))


def firewall(member: Member) -> Device:
    """The device at a member's edge."""
    return next(d for d in member.devices if d.vendor in (Vendor.FORTIGATE, Vendor.PFSENSE, Vendor.ASA))
