"""The addresses of a member that the Internet can see."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Member


def hosts(member: Member) -> tuple[str, ...]:
    """All public IPv4 host addresses of a member, in order."""
    networks = (ip_network(n) for n in member.public if ":" not in n)
    return tuple(str(host) for network in networks for host in network.hosts())


def host6(member: Member, rng: Random) -> str:
    """One of a member's public IPv6 addresses."""
    network = next(n for n in member.public if ":" in n)
    return network.removesuffix("/48") + rng.choice(("10", "25", "53"))
