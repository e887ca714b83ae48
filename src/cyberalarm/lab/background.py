"""An ordinary week: noise from the Internet, people at work, visitors, mail, and devices talking about
themselves.

Nothing in here is scripted. Each stream draws from its own random numbers, hour by hour, so that memory does
not grow with the length of the run, and yields in time order.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.curves import Curve
from cyberalarm.lab.maker import Maker
from cyberalarm.lab.randomness import rounded, stream, times
from cyberalarm.lab.scenario import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from cyberalarm.lab.population import Population
    from cyberalarm.lab.scenario import Member, Scenario
    from cyberalarm.lab.traffic import Flow

HOURS_A_WEEK = 168


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of background at one member: so many happenings a week, along a daily curve."""

    name: str
    a_week: float
    curve: Curve
    make: Callable[[Maker, int], list[Flow]]


def _firewall(member: Member) -> list[Stream]:
    """What goes through a member's Internet firewall."""
    volumes = {
        Vendor.FORTIGATE: (23_000, 20_000, 4_500, 5_000, 1_200, 2_200),
        Vendor.PFSENSE: (13_000, 6_000, 1_000, 1_500, 500, 900),
        Vendor.ASA: (15_000, 6_000, 1_200, 2_600, 700, 1_300),
    }
    vendor = next(v for v in volumes if member.has(v))
    noise, outbound, internal, visits, trusted, health = volumes[vendor]
    device = member.device(vendor)
    return [
        Stream("noise", noise, Curve.INTERNET, lambda m, at: m.knock(at, device)),
        Stream("outbound", outbound, Curve.OFFICE, lambda m, at: m.browse(at, device)),
        Stream("internal", internal, Curve.OFFICE, lambda m, at: m.inside(at, device)),
        Stream("visits", visits, Curve.INTERNET, lambda m, at: m.visit(at, device)),
        Stream("trusted", trusted, Curve.FLAT, lambda m, at: m.monitor(at, device)),
        Stream("health", health, Curve.OFFICE, lambda m, at: m.housekeeping(at, device)),
    ]


def _linux(member: Member) -> list[Stream]:
    """A server on the Internet with its own packet filter."""
    device = member.device(Vendor.NETFILTER)
    return [
        Stream("linux-noise", 6_000, Curve.INTERNET, lambda m, at: m.knock(at, device)),
        Stream("linux-visits", 2_000, Curve.INTERNET, lambda m, at: m.visit(at, device)),
        Stream("linux-outbound", 700, Curve.FLAT, lambda m, at: m.browse(at, device)),
        Stream("linux-internal", 700, Curve.OFFICE, lambda m, at: m.inside(at, device)),
        Stream("linux-trusted", 300, Curve.FLAT, lambda m, at: m.monitor(at, device)),
        Stream("linux-kernel", 60, Curve.FLAT, lambda m, at: m.housekeeping(at, device)),
    ]


def _suricata(member: Member) -> list[Stream]:
    device = member.device(Vendor.SURICATA)
    return [
        Stream("ids-seen", 4_200, Curve.OFFICE, lambda m, at: m.observe(at, device)),
        Stream("ids-alerts", 320, Curve.INTERNET, lambda m, at: m.alert(at, device)),
        Stream("ids-inside", 70, Curve.OFFICE, lambda m, at: m.alert_from_inside(at, device)),
        Stream("ids-stats", HOURS_A_WEEK, Curve.FLAT, lambda m, at: m.housekeeping(at, device)),
    ]


def _mail(member: Member, vendor: Vendor) -> list[Stream]:
    device = member.device(vendor)
    return [
        Stream("mail-clean", 1_500, Curve.OFFICE, lambda m, at: m.mail(at, device, spam=False)),
        Stream("mail-spam", 420, Curve.INTERNET, lambda m, at: m.mail(at, device, spam=True)),
        Stream("mail-health", 200, Curve.FLAT, lambda m, at: m.housekeeping(at, device)),
    ]


def _antivirus(member: Member) -> list[Stream]:
    device = member.device(Vendor.CLAMAV)
    return [
        Stream("antivirus-health", 2 * HOURS_A_WEEK, Curve.FLAT, lambda m, at: m.housekeeping(at, device)),
        Stream("antivirus-found", 4, Curve.OFFICE, lambda m, at: m.infection(at, device)),
    ]


def _streams(member: Member) -> list[Stream]:
    found = _firewall(member)
    if member.has(Vendor.FORTIGATE):
        device = member.device(Vendor.FORTIGATE)
        found.append(Stream("web-filter", 800, Curve.OFFICE, lambda m, at: m.web_filter(at, device)))
    if member.has(Vendor.NETFILTER):
        found += _linux(member)
    if member.has(Vendor.SURICATA):
        found += _suricata(member)
    for vendor in (Vendor.RSPAMD, Vendor.SPAMASSASSIN):
        if member.has(vendor):
            found += _mail(member, vendor)
    if member.has(Vendor.CLAMAV):
        found += _antivirus(member)
    return found


def _run(flow: Stream, maker: Maker, rng: Random, start: int, end: int, scale: float) -> Iterator[Flow]:
    """One stream's flows in time order, hour by hour. A flow's later lines wait for their own hour."""
    waiting: list[Flow] = []
    hour = start
    while hour < end:
        stop = min(end, hour + clock.MILLISECONDS_AN_HOUR)
        share = (stop - hour) / clock.MILLISECONDS_AN_HOUR
        expected = flow.a_week / HOURS_A_WEEK * flow.curve.at(hour) * scale * share
        for at in times(rng, hour, stop, rounded(rng, expected)):
            waiting += flow.make(maker, at)
        waiting.sort(key=lambda f: f.time)
        cut = next((i for i, f in enumerate(waiting) if f.time >= stop), len(waiting))
        yield from waiting[:cut]
        waiting = waiting[cut:]
        hour = stop


def background(
    scenario: Scenario, population: Population, seed: str, start: int, end: int, scale: float
) -> Iterator[Flow]:
    """Everything ordinary at every member, in time order, within [start, end)."""
    runs: list[Iterator[Flow]] = []
    for member in scenario.members:
        for each in _streams(member):
            maker = Maker(scenario, member, population.crowds[member.key], stream(seed, "maker", member.key, each.name))
            rng = stream(seed, "background", member.key, each.name)
            runs.append(_run(each, maker, rng, start, end, scale))
    return heapq.merge(*runs, key=lambda f: f.time)
