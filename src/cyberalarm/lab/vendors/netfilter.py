"""Linux netfilter: what the kernel's LOG target writes, with ufw's prefixes and one of an own iptables chain.

Fields: net/ipv4/netfilter/nf_log_ipv4 and nf_log_ipv6 (the kernel writes IPv6 addresses in full). Lines end
in a space.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import ICMP, TCP, Connection, Event, Housekeeping, Topic, Way
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

_GATEWAY = "02:00:5e:00:53:01"
_SELF = "02:00:5e:00:53:0a"
_KERNEL_NOTES = (
    "eth0: Link is Up - 1Gbps/Full - flow control rx/tx",
    "perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate to 79750",
    "EXT4-fs (sda1): re-mounted. Opts: errors=remount-ro",
)


class Netfilter:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng
        self._booted = 0

    def write(self, at: int, event: Event) -> str:
        # the first line of a run is written three days after boot
        self._booted = self._booted or at - 259_200_000
        head = (
            f"{priority.pri(priority.KERNEL, priority.WARNING)}{clock.bsd(at)} {self._host} kernel: "
            f"[{(at - self._booted) // 1000:5d}.{self._rng.randrange(10**6):06d}] "
        )
        match event:
            case Connection():
                return head + self._packet(event)
            case Housekeeping():
                return head + self._note(event)
            case _:
                raise TypeError(f"netfilter does not log {type(event).__name__}")

    def _prefix(self, c: Connection) -> str:
        if c.allowed:
            return "[UFW ALLOW] "
        if c.way is Way.INBOUND and c.dst_port == 22:
            return "[UFW LIMIT BLOCK] "
        return "INPUT-DROP: " if c.session % 7 == 0 and c.way is Way.INBOUND else "[UFW BLOCK] "

    def _packet(self, c: Connection) -> str:
        rng = self._rng
        if c.way is Way.OUTBOUND:
            where = "IN= OUT=eth0"
        else:
            ethertype = "86:dd" if c.ipv6 else "08:00"
            where = f"IN=eth0 OUT= MAC={_SELF}:{_GATEWAY}:{ethertype}"
        # one packet is logged, the first: for an allowed TCP connection its SYN
        length = 60 if c.allowed and c.protocol == TCP else min(max(c.sent, 40 if c.protocol == TCP else 28), 1500)
        if c.ipv6:
            length = max(length, 60)
            ip = (
                f"SRC={IPv6Address(c.src).exploded} DST={IPv6Address(c.dst).exploded} LEN={length} TC=0 "
                f"HOPLIMIT={rng.randrange(44, 62)} FLOWLBL={rng.getrandbits(20)}"
            )
        else:
            fragment = " DF" if c.protocol == TCP else ""
            ip = (
                f"SRC={c.src} DST={c.dst} LEN={length} TOS=0x00 PREC=0x00 TTL={rng.randrange(44, 250)} "
                f"ID={rng.getrandbits(16)}{fragment}"
            )
        header = 40 if c.ipv6 else 20
        if c.protocol == TCP:
            window = rng.choice((1024, 29200, 64240, 65535))
            rest = f"PROTO=TCP SPT={c.src_port} DPT={c.dst_port} WINDOW={window} RES=0x00 SYN URGP=0"
        elif c.protocol == ICMP:
            name, kind = ("ICMPv6", 128) if c.ipv6 else ("ICMP", 8)
            rest = f"PROTO={name} TYPE={kind} CODE=0 ID={rng.getrandbits(16)} SEQ={rng.randrange(1, 90)}"
        else:
            rest = f"PROTO=UDP SPT={c.src_port} DPT={c.dst_port} LEN={length - header}"
        return f"{self._prefix(c)}{where} {ip} {rest} "

    def _note(self, h: Housekeeping) -> str:
        if h.topic is Topic.CONFIGURATION and h.detail:
            # a USB stick may call itself anything
            return f"usb 1-1.2: Product: {h.detail}"
        return self._rng.choice(_KERNEL_NOTES)
