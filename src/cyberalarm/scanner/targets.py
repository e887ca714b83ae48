"""What may be written as a target: a plain IP address, or a plain host name.

Odd notations (octal, hexadecimal, short or decimal IPv4, zone ids, full-width digits, brackets) are
refused rather than read, because two programs would read them differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from cyberalarm.scanner.errors import TargetRefusedError

if TYPE_CHECKING:
    from cyberalarm.core.addresses import Address

# The TCP ports that a service scan asks, unless the consent names others: remote access, mail, web, files,
# databases, management. Reports print the list, since a port that was not asked is not known to be closed.
SERVICE_PORTS: tuple[int, ...] = (
    21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 389, 443, 445, 465, 512, 513, 514, 587, 623, 631,
    636, 873, 990, 993, 995, 1080, 1433, 1521, 1723, 1883, 2049, 2375, 2376, 3128, 3260, 3306, 3389,
    4443, 4786, 5060, 5432, 5555, 5601, 5900, 5984, 5985, 6379, 6443, 7001, 8000, 8006, 8080, 8200,
    8291, 8443, 8500, 8728, 8888, 9000, 9090, 9100, 9200, 10000, 10250, 10443, 11211, 15672, 27017,
    50000,
)  # fmt: skip
WEB_PORTS: tuple[int, ...] = (80, 443)

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# Names that never belong to a public host: RFC 6761, RFC 6762, RFC 8375, RFC 7686, RFC 9476.
_SPECIAL_ENDINGS = frozenset(
    {
        "localhost",
        "local",
        "internal",
        "invalid",
        "test",
        "example",
        "onion",
        "alt",
        "arpa",
        "lan",
        "home",
        "corp",
    }
)
_LONGEST_NAME = 253  # RFC 1035 section 2.3.4, in text


@dataclass(frozen=True, slots=True)
class TargetName:
    """A checked target: `address` is set where it was written as one."""

    host: str
    address: Address | None


def parse_target(text: str) -> TargetName:
    """Read a target. Raises TargetRefusedError on every notation that is not plain."""
    try:
        address = ip_address(text)
    except ValueError:
        return TargetName(_host_name(text), None)
    if str(address) != text.lower() or (isinstance(address, IPv6Address) and address.scope_id):
        raise _refused(text, "is not written in its usual form")
    return TargetName(str(address), address)


def _host_name(text: str) -> str:
    if not text.isascii() or len(text) > _LONGEST_NAME:
        raise _refused(text, "is not a plain host name")
    name = text.lower()
    labels = name.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(text, "is not a full host name")
    last = labels[-1]
    # A last label of digits, or 0x…, is a disguised IPv4 address (WHATWG URL "ends in a number").
    if last.isdigit() or last.startswith("0x"):
        raise _refused(text, "is an address in an odd notation")
    if last in _SPECIAL_ENDINGS:
        raise _refused(text, "ends in a name that is not public")
    return name


def _refused(text: str, why: str) -> TargetRefusedError:
    shown = text[:80].encode("ascii", "backslashreplace").decode("ascii")
    return TargetRefusedError(
        f"Target {shown!r} {why}.",
        next_step="Write a host name such as www.example.org, or an address such as 203.0.113.7.",
        code="scanner.target.notation",
    )
