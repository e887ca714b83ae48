"""FortiGate, FortiOS 7.x, `set format default`: `<PRI>` and key=value pairs, text values in double quotes.

Field names and order: FortiOS Log Message Reference (ids 13, 14, 16384, 8192, 13312 and the event ids below)
and the administration guide's samples by log type. A quote inside a value is written as \\".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cyberalarm.lab import clock
from cyberalarm.lab.countries import country_name
from cyberalarm.lab.traffic import (
    ICMP,
    TCP,
    Alert,
    Connection,
    Event,
    Housekeeping,
    Infection,
    Observation,
    Topic,
    Way,
)
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

SERVICES = {
    (6, 21): "FTP",
    (6, 22): "SSH",
    (6, 23): "TELNET",
    (6, 25): "SMTP",
    (6, 53): "DNS",
    (6, 80): "HTTP",
    (6, 110): "POP3",
    (6, 143): "IMAP",
    (6, 443): "HTTPS",
    (6, 445): "SMB",
    (6, 1433): "MS-SQL",
    (6, 3306): "MYSQL",
    (6, 3389): "RDP",
    (17, 53): "DNS",
    (17, 123): "NTP",
    (17, 161): "SNMP",
    (17, 500): "IKE",
    (17, 5060): "SIP",
}

_LEVELS = {
    "alert": priority.ALERT,
    "warning": priority.WARNING,
    "notice": priority.NOTICE,
    "information": priority.INFORMATION,
}
_INTERFACES = {
    Way.INBOUND: ("wan1", "wan", "dmz", "dmz"),
    Way.OUTBOUND: ("internal", "lan", "wan1", "wan"),
    Way.INTERNAL: ("internal", "lan", "dmz", "dmz"),
}
_SYSTEM = (Topic.LOGIN, Topic.LOGIN_FAILED, Topic.CONFIGURATION)
_CLOSINGS = ("close", "close", "close", "timeout", "client-rst", "server-rst")


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def service(c: Connection) -> str:
    if c.protocol == ICMP:
        return "PING6" if c.ipv6 else "PING"
    known = SERVICES.get((c.protocol, c.dst_port))
    return known or f"{'tcp' if c.protocol == TCP else 'udp'}/{c.dst_port}"


def _protocol(c: Connection) -> int:
    return 58 if c.protocol == ICMP and c.ipv6 else c.protocol


def _policy(c: Connection) -> tuple[int, str]:
    """Number and name of the policy that decided; 0 is the one that denies."""
    if not c.allowed:
        return 0, ""
    if c.way is Way.INBOUND:
        # the forgotten rule of the scripted misconfiguration
        return (19, "supplier-remote") if c.dst_port == 3389 else (7, "web-in")
    return (2, "lan-out") if c.way is Way.OUTBOUND else (4, "lan-dmz")


def _translation(c: Connection) -> str:
    if not c.allowed or not c.translated:
        return 'trandisp="noop"'
    if c.way is Way.OUTBOUND:
        return f'trandisp="snat" transip={c.translated} transport={c.src_port}'
    return f'trandisp="dnat" tranip={c.translated} tranport={c.dst_port}'


class Fortigate:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng
        self._serial = f"FG100FTK{rng.randrange(10**8):08d}"
        self._policy = str(UUID(int=rng.getrandbits(128), version=4))

    def write(self, at: int, event: Event) -> str:
        match event:
            case Connection():
                return self._traffic(at, event)
            case Alert():
                return self._ips(at, event)
            case Infection():
                return self._virus(at, event)
            case Observation():
                return self._webfilter(at, event)
            case Housekeeping():
                return self._event(at, event)
            case _:
                raise TypeError(f"a FortiGate does not log {type(event).__name__}")

    def _head(self, at: int, level: str, logid: str, kind: str, subtype: str) -> str:
        day, time = clock.day_and_time(at)
        nanoseconds = at * 1_000_000 + self._rng.randrange(1_000_000)
        return (
            f"{priority.pri(priority.LOCAL7, _LEVELS[level])}date={day} time={time} "
            f'devname="{self._host}" devid="{self._serial}" eventtime={nanoseconds} tz="+0000" '
            f'logid="{logid}" type="{kind}" subtype="{subtype}"'
        )

    def _ends(self, c: Connection, *, local: bool = False) -> str:
        in_name, in_role, out_name, out_role = _INTERFACES[c.way]
        if local:
            out_name, out_role = "root", "undefined"
        ports = ("", "") if c.protocol == ICMP else (f" srcport={c.src_port}", f" dstport={c.dst_port}")
        return (
            f'srcip={c.src}{ports[0]} srcintf="{in_name}" srcintfrole="{in_role}" '
            f'dstip={c.dst}{ports[1]} dstintf="{out_name}" dstintfrole="{out_role}" '
            f'srccountry="{country_name(c.src)}" dstcountry="{country_name(c.dst)}"'
        )

    def _traffic(self, at: int, c: Connection) -> str:
        # packets for the FortiGate itself (no server behind the address) are "local" traffic, logid 14
        local = not c.allowed and c.way is Way.INBOUND and c.session % 7 == 0
        logid, subtype = ("0001000014", "local") if local else ("0000000013", "forward")
        number, name = _policy(c)
        kind = "local-in-policy" if local else "policy"
        parts = [
            self._head(at, "notice", logid, "traffic", subtype),
            f'level="notice" vd="root" {self._ends(c, local=local)} sessionid={c.session}',
            f'proto={_protocol(c)} action="{self._action(c)}" policyid={number} policytype="{kind}"',
        ]
        if c.user:
            parts.append(f'user={quoted(c.user)} authserver="radius-main"')
        if name:
            parts.append(f'poluuid="{self._policy}" policyname="{name}"')
        parts.append(f'service="{service(c)}" {_translation(c)} app="{service(c)}"')
        if c.allowed:
            back = c.packets if c.received else 0
            parts.append(f"duration={c.seconds} sentbyte={c.sent} rcvdbyte={c.received}")
            parts.append(f'sentpkt={c.packets} rcvdpkt={back} appcat="unscanned"')
        else:
            parts.append("duration=0 sentbyte=0 rcvdbyte=0 sentpkt=0 rcvdpkt=0")
            parts.append('appcat="unscanned" crscore=30 craction=131072 crlevel="high"')
        return " ".join(parts)

    def _action(self, c: Connection) -> str:
        if not c.allowed:
            return "deny"
        return self._rng.choice(_CLOSINGS) if c.protocol == TCP else "accept"

    def _under_policy(self, number: int) -> str:
        return f'policyid={number} poluuid="{self._policy}" policytype="policy"'

    def _ips(self, at: int, a: Alert) -> str:
        c, s = a.connection, a.signature
        severity = {1: "critical", 2: "high", 3: "medium"}.get(s.severity, "low")
        parts = (
            self._head(at, "alert", "0419016384", "utm", "ips"),
            f'eventtype="signature" level="alert" vd="root" severity="{severity}" {self._ends(c)}',
            f'sessionid={c.session} action="{"dropped" if a.blocked else "detected"}" proto={_protocol(c)}',
            f'service="{service(c)}" {self._under_policy(7)} attack={quoted(s.name)} direction="outgoing"',
            f'attackid={s.number} profile="protect-web" hostname="www.example.org" url={quoted(a.url)}',
            f'agent={quoted(a.agent)} httpmethod="GET" ref="http://www.fortinet.com/ids/VID{s.number}"',
            f"incidentserialno={self._rng.getrandbits(28)} msg={quoted(f'web_server: {s.name},')}",
            'crscore=50 craction=4096 crlevel="critical"',
        )
        return " ".join(parts)

    def _virus(self, at: int, i: Infection) -> str:
        c = i.connection
        if c is None:
            raise TypeError("a FortiGate only sees malware on its way")
        name = i.path.rsplit("/", 1)[-1]
        parts = (
            self._head(at, "warning", "0211008192", "utm", "virus"),
            'eventtype="infected" level="warning" vd="root" msg="File is infected." action="blocked"',
            f'service="{service(c)}" sessionid={c.session} {self._ends(c)} {self._under_policy(2)}',
            f'proto={_protocol(c)} direction="incoming" filename={quoted(name)}',
            f'quarskip="Quarantine-disabled" virus={quoted(i.malware)} viruscat="Virus" dtype="av-engine"',
            f"ref={quoted('http://www.fortinet.com/ve?vn=' + i.malware)}",
            f"virusid={self._rng.randrange(10**6, 10**7)} url={quoted(i.url)}",
            f'profile="av-default" agent="Chrome/126.0" httpmethod="GET" analyticscksum="{i.sha256}"',
            'analyticssubmit="false" crscore=50 craction=2 crlevel="critical"',
        )
        return " ".join(parts)

    def _webfilter(self, at: int, o: Observation) -> str:
        c = o.connection
        parts = (
            self._head(at, "notice", "0317013312", "utm", "webfilter"),
            f'eventtype="ftgd_allow" level="notice" vd="root" {self._under_policy(2)} sessionid={c.session}',
            f'{self._ends(c)} proto={_protocol(c)} service="{service(c)}" hostname={quoted(o.name)}',
            f'profile="pupils" action="passthrough" reqtype="direct" url={quoted(o.url)}',
            f'agent={quoted(o.agent)} sentbyte={c.sent} rcvdbyte={c.received} direction="outgoing"',
            'msg="URL belongs to an allowed category in policy" ratemethod="domain" cat=30',
            'catdesc="Education"',
        )
        return " ".join(parts)

    def _event(self, at: int, h: Housekeeping) -> str:
        logid, subtype, level, rest = self._system(h) if h.topic in _SYSTEM else self._service(at, h)
        return f'{self._head(at, level, logid, "event", subtype)} level="{level}" vd="root" {rest}'

    def _system(self, h: Housekeeping) -> tuple[str, str, str, str]:
        """(logid, subtype, level, the rest of the line) of what administrators do."""
        user, ui = quoted(h.user), quoted(f"https({h.address})")
        by = f'user={user} ui={ui} method="https" srcip={h.address} dstip=10.40.0.1 action="login"'
        if h.topic is Topic.LOGIN:
            message = quoted(f"Administrator {h.user} logged in successfully from https({h.address})")
            rest = f'logdesc="Admin login successful" {by} status="success" reason="none" msg={message}'
            return "0100032001", "system", "information", rest
        if h.topic is Topic.LOGIN_FAILED:
            message = quoted(f"Administrator {h.user} login failed from https({h.address})")
            rest = f'logdesc="Admin login failed" {by} status="failed" reason="name_invalid" msg={message}'
            return "0100032002", "system", "alert", rest
        rest = (
            f'logdesc="Object attribute configured" user={user} ui={ui} action="Edit" '
            f'cfgtid={self._rng.getrandbits(24)} cfgpath="firewall.address" '
            f"cfgobj={quoted(h.detail or 'printers')} "
            'cfgattr="comment[]" msg="Edit firewall.address"'
        )
        return "0100044547", "system", "information", rest

    def _service(self, at: int, h: Housekeeping) -> tuple[str, str, str, str]:
        """(logid, subtype, level, the rest of the line) of what the device does by itself."""
        rng = self._rng
        if h.topic is Topic.HEALTH:
            rest = (
                f'logdesc="System performance statistics" action="perf-stats" cpu={rng.randrange(2, 40)} '
                f'mem=41 totalsession={rng.randrange(300, 4000)} disk=2 bandwidth="158/138" setuprate=9 '
                'msg="Performance statistics: average CPU: 4, memory:  41, concurrent sessions:  870"'
            )
            return "0100040704", "system", "notice", rest
        if h.topic is Topic.LEASE:
            rest = (
                f'logdesc="DHCP Ack log" interface="internal" dhcp_msg="Ack" '
                f'mac="02:00:5e:10:{at // 1000 % 90 + 10}:07" ip={h.address} lease=86400 '
                f'hostname={quoted(h.detail or "laptop")} msg="DHCP server sends a DHCPACK"'
            )
            return "0100026001", "system", "information", rest
        if h.topic is Topic.UPDATE:
            rest = 'logdesc="FortiGate update succeeded" status="update" msg="Fortigate scheduled update"'
            return "0100041000", "system", "notice", rest
        state = "up" if h.topic is Topic.VPN_UP else "down"
        rest = (
            'logdesc="IPsec connection status changed" msg="IPsec connection status change" '
            f'action="tunnel-{state}" remip={h.address} locip=203.0.113.1 remport=500 locport=500 '
            f'outintf="wan1" user={quoted(h.user)} '
            f'tunnelid={rng.getrandbits(30)} vpntunnel="branch"'
        )
        return "0101037138", "vpn", "notice", rest
