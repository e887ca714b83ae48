"""Suricata 7 EVE JSON sent to syslog: over RFC 3164 or, through rsyslog, RFC 5424.

Key names and order: Suricata user guide, "Eve JSON Format". CVE numbers stand in the rule's message and, with
underscores, in its metadata, as rule writers put them there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cyberalarm.lab import clock
from cyberalarm.lab.traffic import (
    TCP,
    UDP,
    Alert,
    Connection,
    Event,
    Housekeeping,
    Observation,
    ObservationKind,
)
from cyberalarm.lab.vendors import priority

if TYPE_CHECKING:
    from random import Random

    from cyberalarm.lab.scenario import Device

_PROTOCOLS = {TCP: "TCP", UDP: "UDP"}
_SEVERITIES = {1: "Major", 2: "Minor", 3: "Informational"}
Json = dict[str, object]


class Suricata:
    def __init__(self, device: Device, rng: Random) -> None:
        self._host = device.host
        self._rng = rng
        self._modern = device.modern

    def write(self, at: int, event: Event) -> str:
        match event:
            case Alert():
                body = self._alert(at, event)
            case Observation():
                body = self._observation(at, event)
            case Housekeeping():
                body = self._statistics(at)
            case _:
                raise TypeError(f"Suricata does not log {type(event).__name__}")
        text = json.dumps(body, separators=(",", ":"))
        pri = priority.pri(priority.LOCAL5, priority.INFORMATION)
        if self._modern:
            return f"{pri}1 {clock.rfc5424(at)} {self._host} suricata 1021 - - {text}"
        return f"{pri}{clock.bsd(at)} {self._host} suricata[1021]: {text}"

    def _common(self, at: int, kind: str, c: Connection) -> Json:
        body: Json = {
            "timestamp": clock.eve(at),
            "flow_id": c.session * 1_000_003,
            "in_iface": "eth1",
            "event_type": kind,
            "src_ip": c.src,
            "src_port": c.src_port,
            "dest_ip": c.dst,
            "dest_port": c.dst_port,
            "proto": _PROTOCOLS.get(c.protocol, "ICMP"),
            "pkt_src": "wire/pcap",
        }
        if c.protocol not in _PROTOCOLS:
            del body["src_port"], body["dest_port"]
            body |= {"icmp_type": 8, "icmp_code": 0}
        return body

    def _flow(self, at: int, c: Connection) -> Json:
        return {
            "pkts_toserver": c.packets,
            "pkts_toclient": c.packets if c.received else 0,
            "bytes_toserver": c.sent,
            "bytes_toclient": c.received,
            "start": clock.eve(at - c.seconds * 1000),
        }

    def _alert(self, at: int, a: Alert) -> Json:
        c, s = a.connection, a.signature
        metadata: Json = {"signature_severity": [_SEVERITIES[s.severity]], "confidence": ["Medium"]}
        if s.cves:
            metadata["cve"] = [cve.replace("-", "_") for cve in s.cves]
        body = self._common(at, "alert", c)
        body["alert"] = {
            "action": "blocked" if a.blocked else "allowed",
            "gid": 1,
            "signature_id": s.number,
            "rev": 2,
            "signature": s.name,
            "category": s.classtype,
            "severity": s.severity,
            "metadata": metadata,
        }
        if c.protocol == TCP and c.dst_port in (80, 443, 8080):
            body |= {"tx_id": 0, "http": self._http(a.url, a.agent), "app_proto": "http"}
        body["direction"] = "to_server"
        body["flow"] = self._flow(at, c)
        return body

    def _http(self, url: str, agent: str) -> Json:
        return {
            "hostname": "www.example.org",
            "url": url,
            "http_user_agent": agent,
            "http_method": "GET",
            "protocol": "HTTP/1.1",
            "status": 404,
            "length": self._rng.randrange(120, 900),
        }

    def _observation(self, at: int, o: Observation) -> Json:
        body = self._common(at, str(o.kind), o.connection)
        match o.kind:
            case ObservationKind.DNS:
                body["dns"] = {
                    "type": "query",
                    "id": self._rng.getrandbits(16),
                    "rrname": o.name,
                    "rrtype": "A",
                    "tx_id": 0,
                }
            case ObservationKind.HTTP:
                body |= {"tx_id": 0, "http": self._http(o.url, o.agent)}
            case ObservationKind.TLS:
                body["tls"] = {"sni": o.name, "version": "TLS 1.3", "ja3": {}}
            case ObservationKind.FLOW:
                body["app_proto"] = "tls"
                body["flow"] = {
                    **self._flow(at, o.connection),
                    "state": "closed",
                    "reason": "timeout",
                    "alerted": False,
                }
        return body

    def _statistics(self, at: int) -> Json:
        packets = self._rng.randrange(10**8)
        return {
            "timestamp": clock.eve(at),
            "event_type": "stats",
            "stats": {
                "uptime": at // 1000 % 10**6,
                "capture": {"kernel_packets": packets, "kernel_drops": 0},
            },
        }
