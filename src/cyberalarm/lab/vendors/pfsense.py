"""pfSense: filterlog's comma-separated values, and the other daemons' messages that the same firewall sends.

Fields: Netgate, "Raw Filter Log Format". With the default BSD message format pfSense sends no host name to
remote log servers, so the header is `<PRI>Mon dd hh:mm:ss program[pid]:`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import ICMP, TCP, Connection, Event, Housekeeping, Topic, Way
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

# tracker ids of the default deny rules, fixed in pfSense's filter.inc
_DENY = {False: (4, 1000000103), True: (6, 1000000105)}
_PASS = {
    Way.INBOUND: (91, 1712000001, "igb0"),
    Way.OUTBOUND: (77, 100000101, "igb1"),
    Way.INTERNAL: (78, 100000101, "igb1"),
}
_DAEMONS = {
    Topic.LOGIN: ("php-fpm[402]", priority.LOCAL4),
    Topic.LOGIN_FAILED: ("php-fpm[402]", priority.LOCAL4),
    Topic.CONFIGURATION: ("php-fpm[402]", priority.LOCAL4),
    Topic.HEALTH: ("dpinger[23117]", priority.DAEMON),
    Topic.LEASE: ("dhcpd[68311]", priority.LOCAL7),
    Topic.VPN_UP: ("openvpn[70411]", priority.DAEMON),
    Topic.VPN_DOWN: ("openvpn[70411]", priority.DAEMON),
    Topic.UPDATE: ("unbound[8830]", priority.DAEMON),
}
_OPTIONS = ("mss", "mss;nop;wscale", "mss;sackOK;TS;nop;wscale", "")


class Pfsense:
    def __init__(self, device: Device, rng: Random) -> None:  # noqa: ARG002 - pfSense sends no host name
        self._rng = rng

    def write(self, at: int, event: Event) -> str:
        match event:
            case Connection():
                return f"{self._head(at, 'filterlog[51203]')}{self._filterlog(event)}"
            case Housekeeping():
                return self._daemon(at, event)
            case _:
                raise TypeError(f"pfSense does not log {type(event).__name__}")

    def _head(self, at: int, program: str, facility: int = priority.LOCAL0) -> str:
        return f"{priority.pri(facility, priority.INFORMATION)}{clock.bsd(at)} {program}: "

    def _filterlog(self, c: Connection) -> str:
        rng = self._rng
        if c.allowed:
            rule, tracker, interface = _PASS[c.way]
        else:
            (rule, tracker), interface = _DENY[c.ipv6], "igb0" if c.way is Way.INBOUND else "igb1"
        first = f"{rule},,,{tracker},{interface},match,{'pass' if c.allowed else 'block'},in"
        header = 40 if c.ipv6 else 20
        # what is logged is the first packet
        length = c.sent if not c.allowed else header + (32 if c.protocol == TCP else 40)
        length = max(length, header + 8)
        if c.ipv6:
            name = {TCP: "TCP,6", ICMP: "ICMPv6,58"}.get(c.protocol, "UDP,17")
            ip = f"6,0x00,0x{rng.getrandbits(20):05x},{rng.randrange(44, 62)},{name},{length - 40}"
        else:
            name = {TCP: "6,tcp", ICMP: "1,icmp"}.get(c.protocol, "17,udp")
            flags = "DF" if c.protocol == TCP else "none"
            ip = f"4,0x0,,{rng.randrange(44, 250)},{rng.getrandbits(16)},0,{flags},{name},{length}"
        # port forwarding comes before the filter: what passes is logged with the server's own address
        ends = f"{c.src},{c.translated if c.allowed and c.way is Way.INBOUND and c.translated else c.dst}"
        if c.protocol == ICMP:
            kind = "datalength=64" if c.ipv6 else f"request,{rng.getrandbits(16)},{rng.randrange(1, 99)}"
            return f"{first},{ip},{ends},{kind}"
        ports = f"{c.src_port},{c.dst_port}"
        if c.protocol == TCP:
            window = rng.choice((1024, 29200, 64240, 65535))
            tail = f"0,S,{rng.getrandbits(32)},,{window},,{rng.choice(_OPTIONS)}"
        else:
            tail = str(length - header - 8)
        return f"{first},{ip},{ends},{ports},{tail}"

    def _daemon(self, at: int, h: Housekeeping) -> str:
        program, facility = _DAEMONS[h.topic]
        return self._head(at, program, facility) + self._remark(h)

    def _remark(self, h: Housekeeping) -> str:
        rng = self._rng
        match h.topic:
            case Topic.LOGIN:
                return f"/index.php: Successful login for user '{h.user}' from: {h.address} (Local Database)"
            case Topic.LOGIN_FAILED:
                return f"/index.php: webConfigurator authentication error for user '{h.user}' from: {h.address}"
            case Topic.CONFIGURATION:
                what = h.detail or "Firewall: Rules - saved/edited a firewall rule."
                who = f"{h.user}@{h.address} (Local Database)"
                return f"/firewall_rules.php: Configuration Change: {who}: {what}"
            case Topic.HEALTH:
                latency = rng.randrange(9000, 20000)
                return f"WAN_DHCP 203.0.113.129: Alarm latency {latency}us stddev 1204us loss 21%"
            case Topic.LEASE:
                mac = f"02:00:5e:10:00:{rng.randrange(10, 99)}"
                return f"DHCPACK on {h.address} to {mac} ({h.detail or 'office-pc'}) via igb1"
            case Topic.VPN_UP:
                return f"{h.user}/{h.address}:1194 MULTI_sva: pool returned IPv4=10.8.0.6"
            case Topic.VPN_DOWN:
                what = "SIGUSR1[soft,ping-restart] received, client-instance restarting"
                return f"{h.user}/{h.address}:1194 {what}"
            case Topic.UPDATE:
                return f"[8830:0] info: service stopped (unbound 1.19.{rng.randrange(9)})."
