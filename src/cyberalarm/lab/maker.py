"""Makes the single happenings of an ordinary week at one member, each with the outcome that a correct
collector gives it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cyberalarm.core.outcome import Outcome
from cyberalarm.lab import countries, signatures
from cyberalarm.lab.scenario import Vendor
from cyberalarm.lab.targets import host6, hosts
from cyberalarm.lab.traffic import (
    ICMP,
    TCP,
    UDP,
    Alert,
    Connection,
    Event,
    Flow,
    Housekeeping,
    Infection,
    Mail,
    MailLine,
    Observation,
    ObservationKind,
    Topic,
    Way,
)

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.population import Crowd, Source
    from cyberalarm.lab.scenario import Device, Member, Scenario

STAFF = ("a.hargreaves", "b.okafor", "c.lindqvist", "d.pritchard", "it.support", "office")
SITES = (
    "www.example.org",
    "learning.example.net",
    "cdn.example.com",
    "mail.example.org",
    "updates.example.net",
)
# Products without housekeeping for a topic write their own usual remark instead.
TOPICS = (
    *(Topic.HEALTH,) * 5,
    *(Topic.LEASE,) * 8,
    *(Topic.LOGIN,) * 2,
    Topic.LOGIN_FAILED,
    Topic.CONFIGURATION,
    Topic.VPN_UP,
    Topic.VPN_DOWN,
    Topic.UPDATE,
)


def digest(text: str) -> str:
    """A stable made-up SHA-256 for a file."""
    return hashlib.sha256(text.encode()).hexdigest()


# Below are services' ports (RFC 6335, system ports).
FIRST_CLIENT_PORT = 1024


class Maker:
    """Happenings at one member. Every method takes a time (ms UTC) and gives one or more flows."""

    def __init__(self, scenario: Scenario, member: Member, crowd: Crowd, rng: Random) -> None:
        self._scenario = scenario
        self._member = member
        self._crowd = crowd
        self._rng = rng
        self._targets = hosts(member)
        # connections of a device that logs both ends; the ASA does
        self._both_ends = member.has(Vendor.ASA)

    def knock(self, at: int, device: Device) -> list[Flow]:
        """A refused try from the Internet."""
        rng = self._rng
        source = self._crowd.pick(rng)
        protocol, port = rng.choice(source.ports)
        # the ASA of this scenario has no IPv6; its noise comes over IPv4 only
        if source.ipv6 and device.vendor not in (Vendor.NETFILTER, Vendor.PFSENSE, Vendor.FORTIGATE):
            return self.knock(at, device)
        connection = Connection(
            src=source.address,
            dst=self._target(source, device),
            src_port=rng.randrange(1024, 65536) if protocol != ICMP else 0,
            dst_port=port,
            protocol=protocol,
            way=Way.INBOUND,
            allowed=False,
            session=rng.getrandbits(31),
            sent=rng.choice((40, 44, 48, 52, 60)) if protocol == TCP else rng.choice((76, 84, 92, 120)),
        )
        return [Flow(at, device.name, connection, Outcome.KEPT)]

    def _target(self, source: Source, device: Device) -> str:
        if source.ipv6:
            return self._member.website6 if device.vendor is Vendor.NETFILTER else host6(self._member, self._rng)
        if device.vendor is Vendor.NETFILTER:
            return self._member.website
        return self._rng.choice(self._targets)

    def _inside_host(self) -> str:
        return f"{self._member.lan}.{self._rng.randrange(1, 13)}.{self._rng.randrange(10, 251)}"

    def _port(self) -> int:
        return self._rng.randrange(32768, 61000)

    def browse(self, at: int, device: Device) -> list[Flow]:
        """Somebody inside reaches something outside."""
        rng = self._rng
        own = device.vendor is Vendor.NETFILTER
        protocol, port = rng.choice(((TCP, 443), (TCP, 443), (TCP, 443), (TCP, 80), (UDP, 53), (UDP, 443), (UDP, 123)))
        connection = Connection(
            src=self._member.website if own else self._inside_host(),
            dst=countries.address(rng, countries.SERVICES),
            src_port=self._port(),
            dst_port=port,
            protocol=protocol,
            way=Way.OUTBOUND,
            allowed=rng.random() > 0.03,
            session=rng.getrandbits(31),
            sent=rng.randrange(300, 9_000),
            received=rng.randrange(800, 400_000),
            packets=rng.randrange(4, 300),
            seconds=rng.randrange(0, 240),
            translated="" if own else self._targets[0],
            user=rng.choice(STAFF) if rng.random() < 0.1 else "",
        )
        return self._with_end(at, device, connection, Outcome.OUTBOUND)

    def _with_end(self, at: int, device: Device, c: Connection, outcome: Outcome) -> list[Flow]:
        flows = [Flow(at, device.name, c, outcome)]
        if c.allowed and self._both_ends and device.vendor is Vendor.ASA:
            over = Connection(
                c.src,
                c.dst,
                c.src_port,
                c.dst_port,
                c.protocol,
                c.way,
                c.allowed,
                c.session,
                c.sent,
                c.received,
                c.packets,
                c.seconds,
                c.translated,
                c.user,
                ended=True,
            )
            # the end of a connection already told: read like its beginning, and no second event
            ending = Outcome.ROUTINE if outcome is Outcome.KEPT else outcome
            if min(c.src_port, c.dst_port) >= FIRST_CLIENT_PORT:
                ending = Outcome.NOISE  # such a line does not say who began
            flows.append(Flow(at + c.seconds * 1000 + 200, device.name, over, ending))
        return flows

    def inside(self, at: int, device: Device) -> list[Flow]:
        """Traffic between the member's own networks."""
        rng = self._rng
        protocol, port = rng.choice(((TCP, 445), (TCP, 443), (UDP, 53), (TCP, 3389), (TCP, 631), (UDP, 123)))
        own = device.vendor is Vendor.NETFILTER
        connection = Connection(
            src=self._inside_host(),
            dst=self._member.website if own else self._member.server,
            src_port=self._port(),
            dst_port=port,
            protocol=protocol,
            way=Way.INTERNAL,
            allowed=rng.random() > 0.1,
            session=rng.getrandbits(31),
            sent=rng.randrange(300, 50_000),
            received=rng.randrange(300, 90_000),
            packets=rng.randrange(4, 200),
            seconds=rng.randrange(0, 600),
        )
        return self._with_end(at, device, connection, Outcome.INTERNAL)

    def visit(self, at: int, device: Device) -> list[Flow]:
        """A visitor to the public website, or mail coming in: allowed and welcome."""
        rng = self._rng
        own = device.vendor is Vendor.NETFILTER
        mail = rng.random() < 0.15 and not own
        six = own and rng.random() < 0.1
        connection = Connection(
            src=countries.address(rng, countries.MAIL_SERVERS if mail else countries.VISITORS)
            if not six
            else countries.visitor6(rng),
            dst=self._member.mail if mail else (self._member.website6 if six else self._member.website),
            src_port=self._port(),
            dst_port=25 if mail else rng.choice((443, 443, 443, 80)),
            protocol=TCP,
            way=Way.INBOUND,
            allowed=True,
            session=rng.getrandbits(31),
            sent=rng.randrange(400, 4_000),
            received=rng.randrange(2_000, 900_000),
            packets=rng.randrange(6, 700),
            seconds=rng.randrange(0, 90),
            translated="" if own else self._member.server,
        )
        return self._with_end(at, device, connection, Outcome.ROUTINE)

    def monitor(self, at: int, device: Device) -> list[Flow]:
        """The availability monitor that the member trusts; many of its tries are refused."""
        rng = self._rng
        protocol, port = rng.choice(((TCP, 443), (TCP, 443), (ICMP, 0), (TCP, 22)))
        connection = Connection(
            src=rng.choice(self._scenario.trusted),
            dst=self._member.website,
            src_port=self._port() if protocol != ICMP else 0,
            dst_port=port,
            protocol=protocol,
            way=Way.INBOUND,
            allowed=protocol == TCP and port == 443,
            session=rng.getrandbits(31),
            sent=84 if protocol == ICMP else 60,
            received=500 if port == 443 else 0,
            translated=self._member.server if device.vendor is not Vendor.NETFILTER else "",
        )
        return self._with_end(at, device, connection, Outcome.TRUSTED)

    def housekeeping(self, at: int, device: Device) -> list[Flow]:
        rng = self._rng
        topic = rng.choice(TOPICS)
        outside = topic in (Topic.VPN_UP, Topic.VPN_DOWN)
        address = countries.address(rng, countries.VISITORS, "GB") if outside else self._inside_host()
        event = Housekeeping(topic, rng.choice(STAFF), address)
        return [Flow(at, device.name, event, housekeeping_outcome(device, event))]

    def web_filter(self, at: int, device: Device) -> list[Flow]:
        """A page that the firewall's web filter let somebody inside see."""
        rng = self._rng
        connection = Connection(
            self._inside_host(),
            countries.address(rng, countries.SERVICES),
            self._port(),
            443,
            TCP,
            Way.OUTBOUND,
            allowed=True,
            session=rng.getrandbits(31),
            sent=900,
            received=rng.randrange(800, 400_000),
            translated=self._targets[0],
        )
        seen = Observation(ObservationKind.HTTP, connection, rng.choice(SITES), url="/lessons/")
        return [Flow(at, device.name, seen, Outcome.OUTBOUND)]

    def observe(self, at: int, device: Device) -> list[Flow]:
        """What an IDS logs beside alerts."""
        rng = self._rng
        kind = rng.choice(tuple(ObservationKind))
        dns = kind is ObservationKind.DNS
        connection = Connection(
            src=self._inside_host(),
            dst=countries.address(rng, countries.SERVICES),
            src_port=self._port(),
            dst_port=53 if dns else 80 if kind is ObservationKind.HTTP else 443,
            protocol=UDP if dns else TCP,
            way=Way.OUTBOUND,
            allowed=True,
            session=rng.getrandbits(31),
            sent=rng.randrange(300, 9_000),
            received=rng.randrange(800, 400_000),
            packets=rng.randrange(4, 300),
        )
        # of what goes out, flows are traffic; the rest repeats what they say
        outcome = Outcome.OUTBOUND if kind is ObservationKind.FLOW else Outcome.NOISE
        return [Flow(at, device.name, Observation(kind, connection, rng.choice(SITES)), outcome)]

    def alert(self, at: int, device: Device) -> list[Flow]:
        """An IDS alert about one of the usual knockers."""
        rng = self._rng
        source = self._crowd.pick(rng)
        dst = self._member.website6 if source.ipv6 else self._member.website
        signature, port = rng.choice((*signatures.BACKGROUND, (signatures.HIDDEN_FILE, 80)))
        connection = Connection(
            source.address,
            dst,
            self._port(),
            port,
            TCP,
            Way.INBOUND,
            allowed=True,
            session=rng.getrandbits(31),
            sent=rng.randrange(200, 900),
            packets=3,
        )
        event: Event = Alert(connection, signature, url="/.env")
        return [Flow(at, device.name, event, Outcome.KEPT)]

    def alert_from_inside(self, at: int, device: Device) -> list[Flow]:
        """An IDS alert about the member's own people; a detection is kept in any direction."""
        rng = self._rng
        connection = Connection(
            self._inside_host(),
            countries.address(rng, countries.SERVICES),
            self._port(),
            80,
            TCP,
            Way.OUTBOUND,
            allowed=True,
            session=rng.getrandbits(31),
            sent=700,
            received=4_000,
            packets=9,
        )
        return [Flow(at, device.name, Alert(connection, rng.choice(signatures.FROM_INSIDE)), Outcome.KEPT)]

    def infection(self, at: int, device: Device) -> list[Flow]:
        name = signatures.CLAMAV_NAMES[1]
        path = f"/srv/share/quarantine/test-{self._rng.randrange(1000):03d}.txt"
        return [Flow(at, device.name, Infection(name, path, digest(path)), Outcome.KEPT)]

    def mail(self, at: int, device: Device, *, spam: bool) -> list[Flow]:
        """One message at the filter: rspamd writes one line about it, spamd two."""
        rng = self._rng
        purpose = countries.NOISE if spam else countries.MAIL_SERVERS
        client = countries.address(rng, purpose)
        domain = f"offers{rng.randrange(400)}.example.net" if spam else f"partner{rng.randrange(60)}.example.org"
        score = rng.uniform(16.0, 30.0) if spam else rng.uniform(-4.0, 3.0)
        return mail_lines(at, device, client, f"news@{domain}", self._member.domain, score, rng)


def housekeeping_outcome(device: Device, event: Housekeeping) -> Outcome:
    """Talk about the device is noise, but for sign-ins, which name where somebody sat: here always inside."""
    firewalls = (Vendor.FORTIGATE, Vendor.ASA, Vendor.PFSENSE)
    if device.vendor in firewalls and event.topic in (Topic.LOGIN, Topic.LOGIN_FAILED):
        return Outcome.INTERNAL
    far_ends = {Vendor.ASA: (Topic.VPN_DOWN,), Vendor.FORTIGATE: (Topic.VPN_UP,)}
    if event.topic in far_ends.get(device.vendor, ()):
        return Outcome.ROUTINE
    return Outcome.NOISE


def mail_lines(
    at: int,
    device: Device,
    client: str,
    sender: str,
    domain: str,
    score: float,
    rng: Random,
    message_id: str = "",
) -> list[Flow]:
    """All lines that a filter writes about one message. Scores of 15 and more are spam to both products."""
    spam = score >= 15
    identifier = message_id or f"{rng.getrandbits(64):016x}@{sender.rpartition('@')[2]}"
    recipient = f"{rng.choice(STAFF)}@{domain}"
    size = rng.randrange(1_200, 60_000)
    # a clean verdict is an antispam product saying that there is nothing to say
    outcome = Outcome.KEPT if spam else Outcome.NOISE
    result = Mail(client, sender, recipient, identifier, score, spam, size)
    flows = [Flow(at + 40, device.name, result, outcome)]
    if device.vendor is Vendor.SPAMASSASSIN:
        # the same message once more, with less in it
        verdict = Mail(client, sender, recipient, identifier, score, spam, size, MailLine.VERDICT)
        flows.insert(0, Flow(at, device.name, verdict, Outcome.NOISE))
    return flows
