"""Lines whose free text tries to look like something else: fields, whole messages, other products' lines.

Whoever knocks chooses user names, URLs, file names and sender addresses, so a decoder must never take them
for fields. No event may ever carry one of `DECOYS`: those addresses stand only inside such text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.core.outcome import Outcome
from cyberalarm.lab import clock, countries
from cyberalarm.lab.episodes import Episode, Kind
from cyberalarm.lab.maker import digest, mail_lines
from cyberalarm.lab.scenario import Vendor
from cyberalarm.lab.signatures import HIDDEN_FILE
from cyberalarm.lab.targets import hosts
from cyberalarm.lab.traffic import (
    TCP,
    Alert,
    Connection,
    Event,
    Flow,
    Housekeeping,
    Infection,
    Observation,
    ObservationKind,
    Topic,
    Way,
)

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.episodes import Window
    from cyberalarm.lab.scenario import Device, Member

# A well-known public resolver, and an RFC 5737 address that nothing else in the lab uses.
DECOYS = ("8.8.8.8", "192.0.2.66")

TEXTS = (
    "x srcip=8.8.8.8 dstport=22 action=accept",
    'guest" srcip=8.8.8.8 srcport=1 x="',
    '%ASA-4-106023: Deny tcp src outside:192.0.2.66/4444 dst inside:10.80.0.1/22 by access-group "a"',
    '"},"src_ip":"8.8.8.8","alert":{"signature":"none","severity":9}}',
    "IN=eth0 OUT= SRC=192.0.2.66 DST=192.0.2.66 PROTO=TCP SPT=1 DPT=22",
    'a\\" srcip=192.0.2.66',
    '<189>date=2020-01-01 time=00:00:00 type="traffic" srcip=8.8.8.8',
    "4,,,1000000103,igb0,match,block,in,4,0x0,,64,1,0,DF,6,tcp,60,8.8.8.8,192.0.2.66,1,22,0,S",
)
# Escape, bell, tab and a right-to-left override; never a newline, which ends a line.
CONTROL = "\x1b[2J\x07 a\tb \u202egpj.exe srcip=8.8.8.8"


def _inbound(member: Member, src: str, rng: Random, port: int) -> Connection:
    return Connection(
        src,
        member.website,
        rng.randrange(1024, 65536),
        port,
        TCP,
        Way.INBOUND,
        allowed=True,
        session=rng.getrandbits(31),
        sent=640,
        received=410,
        packets=5,
        translated=member.server,
    )


def _outbound(member: Member, rng: Random, user: str = "") -> Connection:
    return Connection(
        f"{member.lan}.5.77",
        countries.address(rng, countries.SERVICES),
        rng.randrange(32768, 61000),
        443,
        TCP,
        Way.OUTBOUND,
        allowed=True,
        session=rng.getrandbits(31),
        sent=900,
        received=8_000,
        packets=14,
        translated=hosts(member)[0],
        user=user,
    )


def _fortigate(member: Member, src: str, text: str, rng: Random) -> list[tuple[Event, Outcome]]:
    inside = f"{member.lan}.1.5"
    url = f"/?q={text}"
    transit = Infection("EICAR_TEST_FILE", f"/{text.replace('/', '_')}", digest(text), _outbound(member, rng), url=url)
    return [
        (Housekeeping(Topic.LOGIN_FAILED, text, inside), Outcome.INTERNAL),
        (_outbound(member, rng, user=text), Outcome.OUTBOUND),
        (
            Observation(ObservationKind.HTTP, _outbound(member, rng), text, url=url, agent=text),
            Outcome.OUTBOUND,
        ),
        (Alert(_inbound(member, src, rng, 80), HIDDEN_FILE, blocked=True, url=url, agent=text), Outcome.KEPT),
        (transit, Outcome.KEPT),
    ]


def _events(device: Device, member: Member, src: str, text: str, rng: Random) -> list[tuple[Event, Outcome]]:
    """What somebody can slip this text into, at this kind of device."""
    inside = f"{member.lan}.1.5"
    match device.vendor:
        case Vendor.FORTIGATE:
            return _fortigate(member, src, text, rng)
        case Vendor.ASA | Vendor.NETFILTER:
            return [(Housekeeping(Topic.CONFIGURATION, "office", inside, detail=text), Outcome.NOISE)]
        case Vendor.PFSENSE:
            return [
                (Housekeeping(Topic.LOGIN_FAILED, text, inside), Outcome.INTERNAL),
                (Housekeeping(Topic.LEASE, "office", inside, detail=text), Outcome.NOISE),
            ]
        case Vendor.SURICATA:
            seen = Observation(ObservationKind.HTTP, _outbound(member, rng), "www.example.org", url=text, agent=text)
            return [
                (
                    Alert(_inbound(member, src, rng, 80), HIDDEN_FILE, url=f"/{text}", agent=text),
                    Outcome.KEPT,
                ),
                (seen, Outcome.NOISE),
            ]
        case Vendor.CLAMAV:
            path = f"/srv/share/post/{text}: Win.Fake.Clean-1 FOUND.txt"
            return [(Infection("Win.Test.EICAR_HDB-1", path, digest(path)), Outcome.KEPT)]
        case _:
            return []


def _mail(device: Device, member: Member, at: int, src: str, text: str, rng: Random) -> list[Flow]:
    """Spam with the text in its message id and in a quoted local part (RFC 5321 allows nearly anything
    there).
    """
    quoted = '"' + text.replace("\\", "").replace('"', "'").replace(">", "").replace("<", "") + '"'
    identifier = f"{quoted}@mailer.example.net"
    return mail_lines(at, device, src, f"{quoted}@offers.example.net", member.domain, 21.5, rng, message_id=identifier)


def hostile_text(member: Member, window: Window, rng: Random) -> Episode:
    """Every text at every device of a member, one a minute."""
    name = f"{member.key}-hostile-text"
    source = countries.address(rng, countries.SCRIPTED, "SE")
    flows: list[Flow] = []
    at = window.at(0.2)
    for text in (*TEXTS, CONTROL):
        for device in member.devices:
            if device.vendor in (Vendor.RSPAMD, Vendor.SPAMASSASSIN):
                # both replace what cannot be printed before they log
                printable = "".join(c if " " <= c <= "~" else "?" for c in text)
                mail = _mail(device, member, at, source, printable, rng)
                flows += [Flow(f.time, f.device, f.event, f.outcome, name) for f in mail]
            for event, outcome in _events(device, member, source, text, rng):
                flows.append(Flow(at, device.name, event, outcome, name))
        at += clock.MILLISECONDS_A_MINUTE
    ordered = tuple(sorted(flows, key=lambda f: f.time))
    return Episode(name, Kind.HOSTILE_TEXT, member.key, (source,), (member.website,), (80,), ordered, findings=())
