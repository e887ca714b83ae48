"""Cisco ASA 9.x with `logging timestamp` and `logging device-id hostname`.

Texts and numbers: Cisco ASA Series Syslog Messages. The ASA says nothing of the size of what it denies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import ICMP, TCP, Connection, Event, Housekeeping, Topic, Way
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

_ZONES = {
    Way.INBOUND: ("outside", "dmz"),
    Way.OUTBOUND: ("inside", "outside"),
    Way.INTERNAL: ("inside", "dmz"),
}
_ENDINGS = ("TCP FINs", "TCP FINs", "TCP Reset-I", "TCP Reset-O", "Conn-timeout")


def _duration(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Asa:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng

    def write(self, at: int, event: Event) -> str:
        match event:
            case Connection() if event.allowed:
                message = self._over(event) if event.ended else self._built(event)
            case Connection():
                message = self._denied(event)
            case Housekeeping():
                message = self._housekeeping(event)
            case _:
                raise TypeError(f"an ASA does not log {type(event).__name__}")
        # every message begins with its severity: `4-106023: …`
        head = priority.pri(priority.LOCAL4, int(message[0]))
        return f"{head}{clock.cisco(at)} {self._host} : %ASA-{message}"

    def _ends(self, c: Connection) -> tuple[str, str]:
        """Source and destination as interface:address/port; behind NAT it is the server's own address."""
        near, far = _ZONES[c.way]
        server = c.translated if c.way is Way.INBOUND and c.translated else c.dst
        return f"{near}:{c.src}/{c.src_port}", f"{far}:{server}/{c.dst_port}"

    def _built(self, c: Connection) -> str:
        src, dst = self._ends(c)
        outbound = c.way is Way.OUTBOUND
        mapped = c.translated if outbound and c.translated else c.src
        first, second = f"{src} ({mapped}/{c.src_port})", f"{dst} ({c.dst}/{c.dst_port})"
        if outbound:
            # the foreign end comes first, whoever began
            first, second = second, first
        number, name = (302013, "TCP") if c.protocol == TCP else (302015, "UDP")
        way = "outbound" if outbound else "inbound"
        return f"6-{number}: Built {way} {name} connection {c.session} for {first} to {second}"

    def _over(self, c: Connection) -> str:
        src, dst = self._ends(c)
        first, second = (dst, src) if c.way is Way.OUTBOUND else (src, dst)
        size = c.sent + c.received
        rest = f"for {first} to {second} duration {_duration(c.seconds)} bytes {size}"
        if c.protocol == TCP:
            return f"6-302014: Teardown TCP connection {c.session} {rest} {self._rng.choice(_ENDINGS)}"
        return f"6-302016: Teardown UDP connection {c.session} {rest}"

    def _denied(self, c: Connection) -> str:
        near, far = _ZONES[c.way]
        group = f'by access-group "{near}_access_in" [0x{self._rng.getrandbits(32):08x}, 0x0]'
        if c.protocol == ICMP:
            return f"4-106023: Deny icmp src {near}:{c.src} dst {far}:{c.dst} (type 8, code 0) {group}"
        name = "tcp" if c.protocol == TCP else "udp"
        plain = f"from {c.src}/{c.src_port} to {c.dst}/{c.dst_port}"
        # one in ten denials comes by another way than the access list
        choice = self._rng.randrange(30) if c.way is Way.INBOUND else -1
        if choice == 0 and c.protocol == TCP:
            return f"2-106001: Inbound TCP connection denied {plain} flags SYN  on interface {near}"
        if choice == 0:
            return f"2-106006: Deny inbound UDP {plain} on interface {near}"
        if choice == 1 and c.protocol == TCP:
            return f"6-106015: Deny TCP (no connection) {plain} flags RST  on interface {near}"
        if choice == 2 and c.protocol == TCP:
            target = f"{near}:{c.dst}/{c.dst_port}"
            return f"3-710003: TCP access denied by ACL from {c.src}/{c.src_port} to {target}"
        if choice == 3:
            ends = f"{near}/{c.src}({c.src_port}) -> {far}/{c.dst}({c.dst_port})"
            return f"6-106100: access-list {near}_access_in denied {name} {ends} hit-cnt 1 first hit [0x0, 0x0]"
        return f"4-106023: Deny {name} src {near}:{c.src}/{c.src_port} dst {far}:{c.dst}/{c.dst_port} {group}"

    def _housekeeping(self, h: Housekeeping) -> str:
        match h.topic:
            case Topic.LOGIN:
                return f"6-611101: User authentication succeeded: IP address: {h.address}, Uname: {h.user}"
            case Topic.LOGIN_FAILED:
                return f"6-611102: User authentication failed: IP address: {h.address}, Uname: {h.user}"
            case Topic.CONFIGURATION:
                return f"5-111008: User '{h.user}' executed the '{h.detail or 'write memory'}' command."
            case Topic.HEALTH:
                burst = self._rng.randrange(1, 10)
                rates = (
                    f"Current burst rate is {burst} per second, max configured rate is 10; "
                    "Current average rate is 6 per second, max configured rate is 5; "
                    f"Cumulative total count is {self._rng.randrange(3000, 9000)}"
                )
                return f"4-733100: [ Scanning] drop rate-1 exceeded. {rates}"
            case Topic.LEASE:
                port = self._rng.randrange(1024, 65535)
                ends = f"from inside:{h.address}/{port} to outside:198.51.100.1/{port}"
                return f"6-305011: Built dynamic TCP translation {ends}"
            case Topic.VPN_UP:
                who = f"Group <staff> User <{h.user}> IP <{h.address}>"
                return f"4-722051: {who} IPv4 Address <10.80.9.20> IPv6 address <::> assigned to session"
            case Topic.VPN_DOWN:
                who = f"Group = staff, Username = {h.user}, IP = {h.address}"
                rest = "Duration: 2h:11m:09s, Bytes xmt: 8312331, Bytes rcv: 1022093, Reason: User Requested"
                return f"4-113019: {who}, Session disconnected. Session Type: SSL, {rest}"
            case Topic.UPDATE:
                who = f"User '{h.user}', running 'CLI' from IP {h.address}"
                return f"5-111010: {who}, executed 'terminal pager 0'"
