"""Names of ports and protocols in plain words, read from `ports.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# IANA protocol numbers that logs name.
PROTOCOLS: dict[int, str] = {
    1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 51: "AH",
    58: "ICMPv6", 88: "EIGRP", 89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Port:
    port: int
    name: str
    risky: bool
    amplifier: bool


@cache
def known_ports() -> dict[int, Port]:
    table = tomllib.loads(files(__package__).joinpath("ports.toml").read_text("utf-8"))
    return {
        row["port"]: Port(row["port"], row["name"], row.get("risky", False), row.get("amplifier", False))
        for row in table["port"]
    }


def port_name(port: int | None, protocol: int | None = None) -> str:
    """Words for a port: its service where known, else the protocol and number."""
    if port is None:
        return PROTOCOLS.get(protocol or -1, "No port")
    known = known_ports().get(port)
    return known.name if known else f"Port {port}"


@cache
def risky_ports() -> frozenset[int]:
    """Ports of services that should not face the Internet."""
    return frozenset(p.port for p in known_ports().values() if p.risky)


@cache
def amplifier_ports() -> frozenset[int]:
    """UDP ports of services that are abused for reflection."""
    return frozenset(p.port for p in known_ports().values() if p.amplifier)
