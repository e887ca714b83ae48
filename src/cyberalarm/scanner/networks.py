"""Which addresses may never be scanned, whoever consents.

Own table (`deny.toml`), because Python's `is_global` calls multicast, NAT64 and 6to4 forms of loopback
global. Of IPv6, only global unicast (2000::/3) can ever be allowed. IPv4-mapped IPv6 is refused as a
notation. The one exception is a lab: addresses listed one by one, and on loopback only.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.scanner.errors import TargetRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.core.addresses import Address, Network

# RFC 4291 section 2.4 and the IANA allocation: everything global unicast lies here.
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")


@cache
def denied_networks() -> tuple[tuple[Network, str], ...]:
    """The deny table: each network with the reason in words."""
    table = tomllib.loads(files(__package__).joinpath("deny.toml").read_text("utf-8"))
    return tuple((ip_network(text), row["why"]) for row in table["deny"] for text in row["networks"])


def reason_denied(address: Address) -> str:
    """Why an address is never scanned; empty where it may be."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return "IPv4 written as IPv6"
        if address.scope_id:
            return "an address that belongs to one interface"
    for network, why in denied_networks():
        if network.version == address.version and address in network:
            return why
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST_6:
        return "outside global unicast"
    return ""


@dataclass(frozen=True, slots=True)
class Lab:
    """The loopback addresses that a lab run may touch, each named. Empty means: not a lab."""

    addresses: frozenset[Address] = field(default_factory=frozenset)

    @classmethod
    def of(cls, addresses: Iterable[str]) -> Lab:
        """Read a list of loopback addresses. Raises ConfigurationError on anything else."""
        found: set[Address] = set()
        for text in addresses:
            try:
                address = ip_address(text)
            except ValueError as error:
                raise ConfigurationError(
                    f"Lab target {text!r} is not an address.", next_step="Name loopback addresses one by one."
                ) from error
            if not address.is_loopback or (isinstance(address, IPv6Address) and address.ipv4_mapped):
                raise ConfigurationError(
                    f"Lab target {text} is not on loopback.",
                    next_step="A lab may only use 127.0.0.0/8 and ::1.",
                )
            found.add(address)
        return cls(frozenset(found))

    def __bool__(self) -> bool:
        return bool(self.addresses)


def check_addresses(addresses: Iterable[Address], lab: Lab) -> None:
    """Raise TargetRefusedError unless every address may be scanned; one bad answer spoils all."""
    for address in addresses:
        if address in lab.addresses:
            continue
        why = reason_denied(address)
        if lab and not why:
            why = "not one of the lab's own addresses"
        if why:
            raise TargetRefusedError(
                f"The target leads to an address that is never scanned ({why}).",
                next_step="Name a public address or host name that is yours.",
                code="scanner.target.denied",
            )
