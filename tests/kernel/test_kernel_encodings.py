"""What a vendor writes is what we read: random events, written each vendor's way, come back field by field.

The writers here are the tests' own, from the vendors' documentation; they share nothing with the packs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernel.decoding import NOON, Fate, fate

_DAY = 86_400_000
_PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17}
# Printable, as devices write; quotes, backslashes, commas and equals signs are what could break out of a value.
_TEXT = st.text(st.sampled_from("ab Z9.-_/:'\"\\,=|{}[]()%<>srcip"), max_size=40)
_INJECTIONS = st.sampled_from(
    [
        " srcip=8.8.8.8 dstport=1 ",
        '" srcip=8.8.8.8 "',
        '\\" srcip=8.8.8.8',
        '","src_ip":"8.8.8.8","x":"',
        " src=8.8.8.8 ",
        ",8.8.8.8,",
        ' dst outside:8.8.8.8/1 by access-group "x"',
    ]
)
_TEXTS = st.one_of(_TEXT, _INJECTIONS)

# Anything but 8.8.8.8, which is what injected texts name, and the two that stand for no address.
_V4 = st.integers(0x0100_0000, 0xDFFF_FFFF).map(IPv4Address).filter(lambda a: a != IPv4Address("8.8.8.8"))
_V6 = st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(IPv6Address)


@dataclass(frozen=True, slots=True)
class Seen:
    """One packet or alert that a device saw."""

    ms: int
    src: IPv4Address | IPv6Address
    dst: IPv4Address | IPv6Address
    sport: int
    dport: int
    protocol: str
    blocked: bool
    size: int
    text: str

    @property
    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.ms / 1000, UTC)

    @property
    def bsd(self) -> str:
        return f"{self.clock:%b} {self.clock.day:2d} {self.clock:%H:%M:%S}"


def _seen(addresses: st.SearchStrategy[IPv4Address] | st.SearchStrategy[IPv6Address]) -> st.SearchStrategy[Seen]:
    return st.builds(
        Seen,
        ms=st.integers((NOON - 300 * _DAY) // 1000, NOON // 1000).map(lambda s: s * 1000),
        src=addresses,
        dst=addresses,
        sport=st.integers(0, 65535),
        dport=st.integers(0, 65535),
        protocol=st.sampled_from(["tcp", "udp"]),
        blocked=st.booleans(),
        size=st.integers(0, 2**40),
        text=_TEXTS,
    )


EITHER = st.one_of(_seen(_V4), _seen(_V6))
DECODED = settings(max_examples=150, deadline=None)


def check(found: Fate, seen: Seen, product: str, **more: object) -> None:
    assert (found.outcome, found.product) == ("kept", product)
    event = found.event
    assert (ip_address(event["src_ip"]), ip_address(event["dst_ip"])) == (seen.src, seen.dst)
    wanted = {
        "time": f"{seen.clock:%Y-%m-%dT%H:%M:%S}.000Z",
        "src_port": seen.sport,
        "dst_port": seen.dport,
        "protocol": seen.protocol,
        "action": "blocked" if seen.blocked else "allowed",
        **more,
    }
    assert {name: event.get(name) for name in wanted} == wanted


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@DECODED
@given(EITHER)
def test_fortigate_key_value(seen: Seen) -> None:
    line = (
        f"<189>date={seen.clock:%Y-%m-%d} time={seen.clock:%H:%M:%S} devname={_quoted(seen.text)} "
        f'devid="FGT60F0000000001" eventtime={seen.ms}000000 tz="+0000" logid="0000000013" type="traffic" '
        f'subtype="forward" level="notice" vd="root" user={_quoted(seen.text)} srcip={seen.src} srcport={seen.sport} '
        f'srcintf="wan1" dstip={seen.dst} dstport={seen.dport} proto={_PROTOCOL_NUMBERS[seen.protocol]} '
        f'action="{"deny" if seen.blocked else "accept"}" sentbyte={seen.size} rcvdbyte=0 sentpkt=3 rcvdpkt=4 '
        f"hostname={_quoted(seen.text)}"
    )
    check(fate(line), seen, "fortinet-fortigate", bytes_in=seen.size, bytes_out=0, packets=7)


@DECODED
@given(EITHER)
def test_fortigate_cef(seen: Seen) -> None:
    value = seen.text.replace("\\", "\\\\").replace("=", "\\=")
    line = (
        f"<189>{seen.bsd} fw CEF:0|Fortinet|Fortigate|v7.4.1|00013|traffic:forward|3|duser={value} "
        f"src={seen.src} spt={seen.sport} dst={seen.dst} dpt={seen.dport} "
        f"proto={_PROTOCOL_NUMBERS[seen.protocol]} act={'deny' if seen.blocked else 'accept'} out={seen.size} msg={value}"
    )
    check(fate(line), seen, "fortinet-fortigate", bytes_in=seen.size)


@DECODED
@given(EITHER)
def test_netfilter(seen: Seen) -> None:
    verb = "DROP" if seen.blocked else "ACCEPT"
    ttl = "TTL=60" if seen.src.version == 4 else "HOPLIMIT=60"
    after = "WINDOW=1024 RES=0x00 SYN URGP=0 " if seen.protocol == "tcp" else "LEN=8 "
    line = (
        f"<4>{seen.bsd} gw kernel: [ 12.5] {verb} IN=eth0 OUT= MAC=02:00 SRC={seen.src.exploded} DST={seen.dst.exploded} "
        f"LEN={seen.size % 65536} TOS=0x00 {ttl} ID=1 PROTO={seen.protocol.upper()} SPT={seen.sport} DPT={seen.dport} "
        f"{after}"
    )
    check(fate(line), seen, "linux-netfilter", bytes_in=seen.size % 65536)


@DECODED
@given(EITHER)
def test_filterlog(seen: Seen) -> None:
    number = _PROTOCOL_NUMBERS[seen.protocol]
    action = "block" if seen.blocked else "pass"
    if seen.src.version == 4:
        middle = f"4,0x0,,244,54321,0,none,{number},{seen.protocol},{seen.size % 65536}"
    else:
        middle = f"6,0x00,0x00000,241,{seen.protocol},{number},{seen.size % 65536}"
    line = (
        f"<134>{seen.bsd} gw filterlog[1]: 4,,,1000000103,igb0,match,{action},in,{middle},"
        f"{seen.src},{seen.dst},{seen.sport},{seen.dport},0,S,1,,1024,,"
    )
    check(fate(line), seen, "netgate-pfsense", direction="inbound", bytes_in=seen.size % 65536)


@DECODED
@given(EITHER)
def test_asa_106023(seen: Seen) -> None:
    line = (
        f"<164>{seen.clock:%b %d %Y %H:%M:%S} asa : %ASA-4-106023: Deny {seen.protocol} src outside:{seen.src}/{seen.sport} "
        f'dst inside:{seen.dst}/{seen.dport} by access-group "{seen.text}" [0x0, 0x0]'
    )
    check(fate(line), seen, "cisco-asa", action="blocked", evidence="one_way")


@DECODED
@given(EITHER)
def test_eve(seen: Seen) -> None:
    body = {
        "timestamp": f"{seen.clock:%Y-%m-%dT%H:%M:%S}.000000+0000",
        "flow_id": seen.size,
        "http": {"url": seen.text, "src_ip": "8.8.8.8"},
        "event_type": "alert",
        "src_ip": str(seen.src),
        "src_port": seen.sport,
        "dest_ip": str(seen.dst),
        "dest_port": seen.dport,
        "proto": seen.protocol.upper(),
        "alert": {
            "action": "blocked" if seen.blocked else "allowed",
            "signature_id": 2_000_001,
            "signature": f"made up {seen.text}",
            "category": "Misc Attack",
            "severity": 2,
        },
        "flow": {"pkts_toserver": 1, "pkts_toclient": 2, "bytes_toserver": seen.size, "bytes_toclient": 5},
    }
    found = fate(f"<165>{seen.bsd} ids suricata[1]: {json.dumps(body)}")
    check(
        found,
        seen,
        "oisf-suricata",
        action="blocked" if seen.blocked else "detected",
        signature_id="2000001",
        signature=f"made up {seen.text}".strip(),
        category="scan",
        severity=2,
        bytes_in=seen.size,
        bytes_out=5,
        packets=3,
    )


@DECODED
@given(EITHER)
def test_panos_leef(seen: Seen) -> None:
    text = seen.text.replace("|", "_")
    line = (
        f"<14>{seen.bsd} pa LEEF:2.0|Palo Alto Networks|PAN-OS Syslog Integration|10.1|x|x7C|cat=TRAFFIC|Subtype=end|"
        f"devTime={seen.clock:%b %d %Y %H:%M:%S} GMT|usrName={text}|src={seen.src}|dst={seen.dst}|srcPort={seen.sport}|"
        f"dstPort={seen.dport}|proto={seen.protocol}|action={'deny' if seen.blocked else 'allow'}|totalBytes={seen.size + 5}|"
        f"dstBytes=5|srcBytes={seen.size}|totalPackets=2|RuleName={text}|SessionEndReason=tcp-fin"
    )
    check(fate(line), seen, "paloalto-panos", bytes_in=seen.size, bytes_out=5, packets=2)


@DECODED
@given(EITHER)
def test_windows_xml(seen: Seen) -> None:
    text = escape(seen.text)
    line = (
        f"<13>{seen.bsd} dc <Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625-5478-4994-a5ba-3e3b0328c30d}'/>"
        f"<EventID>4625</EventID><TimeCreated SystemTime='{seen.clock:%Y-%m-%dT%H:%M:%S}.0000000Z'/><Channel>Security</Channel>"
        f"<Computer>dc.example.org</Computer></System><EventData><Data Name='TargetUserName'>{text}</Data>"
        f"<Data Name='Status'>0xc000006d</Data><Data Name='LogonType'>3</Data><Data Name='WorkstationName'>{text}</Data>"
        f"<Data Name='IpAddress'>{seen.src}</Data><Data Name='IpPort'>{seen.sport}</Data></EventData></Event>"
    )
    found = fate(line)
    assert (found.outcome, found.product) == ("kept", "microsoft-windows-security")
    assert ip_address(found.event["src_ip"]) == seen.src
    assert (found.event["time"], found.event["category"]) == (f"{seen.clock:%Y-%m-%dT%H:%M:%S}.000Z", "guessing")
    assert "dst_ip" not in found.event


@DECODED
@given(EITHER, st.integers(200, 206), st.integers(0, 10**9))
def test_web_servers_combined_log(seen: Seen, status: int, size: int) -> None:
    text = seen.text.replace("\\", "\\\\").replace('"', '\\"')
    line = (
        f"{seen.src} - - [{seen.clock:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /?{text} HTTP/1.1" {status} {size} "https://example.org/{text}" "{text}"'
    )
    found = fate(line)
    assert (found.outcome, found.product) == ("kept", "web-access")
    assert ip_address(found.event["src_ip"]) == seen.src
    wanted = {"time": f"{seen.clock:%Y-%m-%dT%H:%M:%S}.000Z", "action": "allowed", "protocol": "tcp", "bytes_out": size}
    assert {name: found.event.get(name) for name in wanted} == wanted
    assert "dst_ip" not in found.event
