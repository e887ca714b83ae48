"""Name to addresses, once per target. Whoever asks must use the checked answer and never ask again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.resolver

from cyberalarm.core.addresses import Address
from cyberalarm.scanner.errors import ProbeError
from cyberalarm.scanner.networks import Lab, check_addresses

if TYPE_CHECKING:
    from cyberalarm.scanner.targets import TargetName

Resolver = Callable[[str], Awaitable[tuple[Address, ...]]]

MOST_ANSWERS = 16  # a host with more addresses than this is a pool of somebody else's
_SECONDS = 5.0


async def ask_dns(host: str) -> tuple[Address, ...]:
    """All A and AAAA answers for a name, IPv4 first. Raises ProbeError when there is none."""
    resolver = dns.asyncresolver.Resolver()
    found: list[Address] = []
    for kind in ("A", "AAAA"):
        try:
            answer = await resolver.resolve(host, kind, lifetime=_SECONDS)
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            continue
        except dns.exception.DNSException as error:
            raise ProbeError("The name service did not answer.", next_step="Try again later.") from error
        found.extend(ip_address(record.address) for record in answer)
    return tuple(found)


async def resolve_once(target: TargetName, resolver: Resolver, lab: Lab) -> Address:
    """The one address to connect to, after every answer was checked against the deny list."""
    addresses = (target.address,) if target.address is not None else await resolver(target.host)
    if not addresses:
        raise ProbeError("The name has no address.", next_step="Check how the name is written.")
    if len(addresses) > MOST_ANSWERS:
        raise ProbeError("The name has more addresses than one host would.", next_step="Name the host's own address.")
    check_addresses(addresses, lab)
    return addresses[0]
