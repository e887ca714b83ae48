"""IP addresses as 16 bytes (IPv6, or IPv4-mapped), and sets of networks.

An address of 16 zero bytes means "none". Nothing here looks anything up or opens a socket.
"""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED = bytes(10) + b"\xff\xff"


def pack(address: Address | str) -> bytes:
    """Give the 16 bytes of an address. Raises ValueError on text that is not one."""
    value = ip_address(address) if isinstance(address, str) else address
    return _MAPPED + value.packed if value.version == 4 else value.packed


def unpack(raw: bytes) -> Address:
    """The address that 16 bytes stand for, IPv4 where it is IPv4-mapped."""
    if raw.startswith(_MAPPED):
        return IPv4Address(raw[12:])
    return IPv6Address(raw)


def text(raw: bytes) -> str:
    """The usual text of 16 address bytes; empty for "none"."""
    return "" if not any(raw) else str(unpack(raw))


# Networks that only exist inside: RFC 1918, RFC 6598 (carrier NAT), RFC 3927 and RFC 4291 link-local, loopback,
# RFC 4193 unique-local.
PRIVATE_NETWORKS: tuple[str, ...] = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


def network_range(network: Network | str) -> tuple[int, int]:
    """First and last address of a network as 128-bit numbers (IPv4 mapped). Raises ValueError on bad text."""
    net = ip_network(network, strict=False) if isinstance(network, str) else network
    first = int.from_bytes(pack(net.network_address))
    last = int.from_bytes(pack(net.broadcast_address))
    return first, last


class NetworkSet:
    """A fixed set of networks with membership by bisection over merged ranges."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, networks: Iterable[Network | str]) -> None:
        merged: list[tuple[int, int]] = []
        for first, last in sorted(network_range(n) for n in networks):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self._starts = [m[0] for m in merged]
        self._ends = [m[1] for m in merged]

    def __contains__(self, raw: bytes) -> bool:
        value = int.from_bytes(raw)
        at = bisect_right(self._starts, value) - 1
        return at >= 0 and value <= self._ends[at]
