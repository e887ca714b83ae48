"""What happens, before any product writes it down. Pure values.

A `Flow` becomes exactly one line of one device. Its `outcome` is what a correct collector must make of that
line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyberalarm.core.outcome import Outcome

TCP = 6
UDP = 17
ICMP = 1


class Way(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection or a refused packet. ICMP is an echo request and has no ports.

    `translated` is the other address of an end that NAT hides: the server behind a public `dst` when inbound,
    the public address of `src` when outbound. `sent` is from source to destination.
    """

    src: str
    dst: str
    src_port: int
    dst_port: int
    protocol: int
    way: Way
    allowed: bool
    session: int
    sent: int = 60
    received: int = 0
    packets: int = 1
    seconds: int = 0
    translated: str = ""
    user: str = ""
    # a device that logs both ends of a connection writes this line when it is over
    ended: bool = False

    @property
    def ipv6(self) -> bool:
        return ":" in self.src


@dataclass(frozen=True, slots=True)
class Signature:
    """What an IDS recognises. `severity` 1 is the highest, as Suricata counts."""

    number: int
    name: str
    classtype: str
    severity: int
    cves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    connection: Connection
    signature: Signature
    blocked: bool = False
    url: str = "/"
    agent: str = "Mozilla/5.0"


@dataclass(frozen=True, slots=True)
class Infection:
    """Malware in a file, found on disk (`connection` None) or on its way through a gateway."""

    malware: str
    path: str
    sha256: str
    connection: Connection | None = None
    url: str = ""


class MailLine(StrEnum):
    """Which of the lines that a filter writes about one message."""

    VERDICT = "verdict"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Mail:
    client: str
    sender: str
    recipient: str
    message_id: str
    score: float
    spam: bool
    size: int
    line: MailLine = MailLine.RESULT


class ObservationKind(StrEnum):
    FLOW = "flow"
    DNS = "dns"
    HTTP = "http"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Observation:
    """An IDS telling what it saw without any suspicion."""

    kind: ObservationKind
    connection: Connection
    name: str
    url: str = "/"
    agent: str = "Mozilla/5.0"


class Topic(StrEnum):
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    CONFIGURATION = "configuration"
    HEALTH = "health"
    LEASE = "lease"
    VPN_UP = "vpn_up"
    VPN_DOWN = "vpn_down"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """A device talking about itself. `detail` is free text that somebody typed, if any."""

    topic: Topic
    user: str
    address: str
    detail: str = ""


Event = Connection | Alert | Infection | Mail | Observation | Housekeeping


@dataclass(frozen=True, slots=True)
class Flow:
    """Something that happened at `time` (ms UTC) and that `device` logs as one line."""

    time: int
    device: str
    event: Event
    outcome: Outcome
    scripted: str | None = None
