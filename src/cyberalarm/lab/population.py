"""Who knocks: the sources of Internet background noise, and the harmless parties that members deal with.

Popularity follows Zipf-Mandelbrot: a few sources knock often and everywhere, most rarely and at one member.
What they ask for follows the order of ports that community sensors such as DShield publish.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from cyberalarm.lab import countries
from cyberalarm.lab.randomness import stream
from cyberalarm.lab.traffic import ICMP, TCP, UDP

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Scenario

# (protocol, port, weight)
PORTS: tuple[tuple[int, int, int], ...] = (
    (TCP, 23, 150),
    (TCP, 22, 120),
    (TCP, 445, 80),
    (TCP, 3389, 70),
    (TCP, 80, 60),
    (TCP, 443, 60),
    (TCP, 8080, 55),
    (UDP, 5060, 50),
    (TCP, 1433, 40),
    (TCP, 3306, 30),
    (TCP, 5900, 25),
    (TCP, 6379, 25),
    (TCP, 8443, 22),
    (UDP, 53, 20),
    (UDP, 123, 18),
    (UDP, 161, 18),
    (TCP, 5432, 15),
    (TCP, 2375, 15),
    (TCP, 25, 14),
    (TCP, 21, 14),
    (UDP, 1900, 12),
    (TCP, 9200, 12),
    (TCP, 27017, 10),
    (TCP, 8728, 10),
    (UDP, 389, 8),
    (TCP, 5555, 8),
    (TCP, 81, 8),
    (TCP, 10000, 7),
    (UDP, 11211, 6),
    (TCP, 7547, 6),
    (TCP, 37215, 6),
    (TCP, 60001, 5),
    (ICMP, 0, 30),
)

# How many sources a demo week knows; more lines come from more sources, so that no single one grows loud.
SOURCES = 1500
ZIPF = 0.9
MANDELBROT = 10
# Shares of sources that reach every member, and two of them.
REACH_ALL = 0.04
REACH_TWO = 0.16
IPV6_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Source:
    address: str
    # (protocol, port) that it tries; at most three, so that noise is no port scan
    ports: tuple[tuple[int, int], ...]

    @property
    def ipv6(self) -> bool:
        return ":" in self.address


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sources that reach one member, with their cumulative weights."""

    sources: tuple[Source, ...]
    cumulative: tuple[float, ...]

    def pick(self, rng: Random) -> Source:
        return rng.choices(self.sources, cum_weights=self.cumulative)[0]


@dataclass(frozen=True, slots=True)
class Population:
    crowds: dict[str, Crowd]
    # addresses that reach every member
    everywhere: tuple[str, ...]


def _ports(rng: Random) -> tuple[tuple[int, int], ...]:
    weights = [p[2] for p in PORTS]
    picked = rng.choices(PORTS, weights=weights, k=rng.choice((1, 1, 1, 2, 2, 3)))
    return tuple(sorted({(p[0], p[1]) for p in picked}))


def populate(scenario: Scenario, seed: str, scale: float) -> Population:
    """Draw the sources and decide whom each reaches."""
    rng = stream(seed, "population")
    keys = [m.key for m in scenario.members]
    size = max(1.0, scale)
    reached: dict[str, list[tuple[Source, float]]] = {key: [] for key in keys}
    everywhere: list[str] = []
    seen: set[str] = set()
    for rank in range(round(SOURCES * size)):
        six = rng.random() < IPV6_SHARE
        address = countries.address6(rng) if six else countries.address(rng, countries.NOISE)
        source = Source(address, _ports(rng))
        share = rng.random()
        if address in seen:
            continue
        seen.add(address)
        if share < REACH_ALL:
            who = keys
            everywhere.append(address)
        else:
            who = rng.sample(keys, min(len(keys), 2 if share < REACH_ALL + REACH_TWO else 1))
        for key in who:
            reached[key].append((source, 1 / (rank + 1 + MANDELBROT * size) ** ZIPF))
    crowds = {
        key: Crowd(tuple(s for s, _ in found), tuple(accumulate(w for _, w in found))) for key, found in reached.items()
    }
    return Population(crowds, tuple(sorted(everywhere)))
