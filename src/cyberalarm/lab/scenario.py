"""Who takes part in the lab: members, their networks and the devices that log.

Invariants: device names are unique in a scenario; each device has an own loopback address to send from, so
that a collector can tell devices apart. Member networks are documentation ranges (RFC 5737, RFC 3849) outside
and private ranges (RFC 1918) inside. Organisations are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Vendor(StrEnum):
    """What writes the lines. The value names the module in `vendors`."""

    FORTIGATE = "fortigate"
    ASA = "asa"
    NETFILTER = "netfilter"
    PFSENSE = "pfsense"
    SURICATA = "suricata"
    CLAMAV = "clamav"
    SPAMASSASSIN = "spamassassin"
    RSPAMD = "rspamd"


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Device:
    """Something that logs. `host` is what it calls itself, `bind` the loopback address it sends from."""

    name: str
    vendor: Vendor
    host: str
    transport: Transport
    bind: str
    # sent through rsyslog, with an RFC 5424 header
    modern: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """An organisation and its network.

    `force` is a code of `core.places`, `kind` one of the centre's member kinds.
    """

    key: str
    name: str
    kind: str
    force: str
    internal: tuple[str, ...]
    public: tuple[str, ...]
    # first part of internal host addresses, such as "10.40"; hosts are <lan>.<1-12>.<10-250>
    lan: str
    server: str
    website: str
    mail: str
    website6: str
    domain: str
    devices: tuple[Device, ...]

    def device(self, vendor: Vendor) -> Device:
        return next(d for d in self.devices if d.vendor is vendor)

    def has(self, vendor: Vendor) -> bool:
        return any(d.vendor is vendor for d in self.devices)


@dataclass(frozen=True, slots=True)
class Scenario:
    members: tuple[Member, ...]
    # addresses that every member trusts: an availability monitor
    trusted: tuple[str, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(d for m in self.members for d in m.devices)

    def member(self, key: str) -> Member:
        return next(m for m in self.members if m.key == key)


_SCHOOL = Member(
    key="school",
    name="Fernhollow Schools Trust",
    kind="school",
    force="nottinghamshire",
    internal=("10.40.0.0/16",),
    public=("203.0.113.0/26", "2001:db8:40::/48"),
    lan="10.40",
    server="10.40.2.10",
    website="203.0.113.10",
    mail="203.0.113.25",
    website6="2001:db8:40::10",
    domain="fernhollow.example",
    devices=(
        Device("school-fortigate", Vendor.FORTIGATE, "FGT-FERNHOLLOW", Transport.UDP, "127.0.1.11"),
        Device("school-rspamd", Vendor.RSPAMD, "mail", Transport.UDP, "127.0.1.12"),
        Device("school-clamav", Vendor.CLAMAV, "files", Transport.TCP, "127.0.1.13"),
    ),
)

_BUSINESS = Member(
    key="business",
    name="Tallis and Reed Joinery Ltd",
    kind="business",
    force="west-midlands",
    internal=("192.168.0.0/16",),
    public=("203.0.113.128/28", "2001:db8:80::/48"),
    lan="192.168",
    server="192.168.2.10",
    website="203.0.113.130",
    mail="203.0.113.131",
    website6="2001:db8:80::10",
    domain="tallisreed.example",
    devices=(
        Device("business-pfsense", Vendor.PFSENSE, "pfSense", Transport.UDP, "127.0.2.11"),
        Device("business-suricata", Vendor.SURICATA, "ids", Transport.TCP, "127.0.2.12"),
        Device("business-spamassassin", Vendor.SPAMASSASSIN, "mx", Transport.UDP, "127.0.2.13"),
    ),
)

_COUNCIL = Member(
    key="council",
    name="Wexcombe District Council",
    kind="council",
    force="kent",
    internal=("10.80.0.0/16",),
    public=("198.51.100.0/24", "2001:db8:c0::/48"),
    lan="10.80",
    server="10.80.2.10",
    website="198.51.100.10",
    mail="198.51.100.25",
    website6="2001:db8:c0::10",
    domain="wexcombe.example",
    devices=(
        Device("council-asa", Vendor.ASA, "wexcombe-asa", Transport.UDP, "127.0.3.11"),
        Device("council-linux", Vendor.NETFILTER, "www", Transport.UDP, "127.0.3.12"),
        Device("council-suricata", Vendor.SURICATA, "sensor1", Transport.TCP, "127.0.3.13", modern=True),
        Device("council-clamav", Vendor.CLAMAV, "gateway", Transport.TCP, "127.0.3.14", modern=True),
    ),
)


def default_scenario() -> Scenario:
    """Three members of different kinds, forces and equipment."""
    return Scenario((_SCHOOL, _BUSINESS, _COUNCIL), trusted=("192.0.2.10",))
