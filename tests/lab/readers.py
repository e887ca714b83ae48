"""Tiny readers of each product's documented shape, sharing nothing with the lab's writers nor with any pack.

A reader gives what a person would read off the line, or None where the line is not about traffic or a
detection. It raises where the line does not have the product's shape.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address


@dataclass(frozen=True)
class Read:
    time: int = 0
    src: str = ""
    dst: str = ""
    src_port: int = 0
    dst_port: int = 0
    protocol: int = 0
    allowed: bool | None = None
    size: int = 0
    name: str = ""
    cves: tuple[str, ...] = ()


PRI = r"<(?P<pri>\d{1,3})>"
BSD = r"(?P<when>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)"
ISO = r"(?P<when>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00)"
YEAR = 2026


def bsd_seconds(text: str) -> int:
    return int(datetime.strptime(f"{YEAR} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC).timestamp())


def shaped(pattern: str, line: str) -> re.Match[str]:
    found = re.fullmatch(pattern, line, re.DOTALL)
    assert found, f"not the documented shape: {line!r}"
    return found


# ── FortiGate ───────────────────────────────────────────────────────────────────────────

PAIR = re.compile(r'([A-Za-z_]+)=("(?:[^"\\]|\\.)*"|[^" ]*)(?: |$)')


def fortigate_pairs(line: str) -> dict[str, str]:
    body = shaped(r"<\d{1,3}>(?P<body>date=\d{4}-\d\d-\d\d time=\d\d:\d\d:\d\d devname=.*)", line)["body"]
    pairs: dict[str, str] = {}
    at = 0
    while at < len(body):
        found = PAIR.match(body, at)
        assert found, f"no key=value at {body[at:]!r}"
        key, value = found[1], found[2]
        assert key not in pairs, f"{key} twice"
        pairs[key] = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value
        at = found.end()
    return pairs


def fortigate(line: str) -> Read | None:
    p = fortigate_pairs(line)
    assert re.fullmatch(r"FG\w{14}", p["devid"])
    assert re.fullmatch(r"\d{10}", p["logid"])
    if p["type"] == "event":
        return None
    allowed = {"deny": False, "dropped": False, "blocked": False, "detected": None}.get(p["action"], True)
    return Read(
        int(p["eventtime"]) // 1_000_000,
        p["srcip"],
        p["dstip"],
        int(p.get("srcport", 0)),
        int(p.get("dstport", 0)),
        int(p["proto"]),
        allowed,
        int(p.get("sentbyte", 0)),
        p.get("attack") or p.get("virus") or p.get("hostname", ""),
    )


# ── Cisco ASA ───────────────────────────────────────────────────────────────────────────

IP = r"\d{1,3}(?:\.\d{1,3}){3}"
ASA_HEAD = PRI + r"(?P<when>[A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d) \S+ : %ASA-(?P<sev>\d)-(?P<id>\d{6}): (?P<text>.*)"
ENDS = rf"from (?P<s>{IP})/(?P<sp>\d+) to (?P<d>{IP})/(?P<dp>\d+)"
ASA_DENY = {
    "106023": (
        rf"Deny (?P<p>tcp|udp) src \w+:(?P<s>{IP})/(?P<sp>\d+) dst \w+:(?P<d>{IP})/(?P<dp>\d+) "
        r"by access-group .*"
    ),
    "106001": rf"Inbound (?P<p>TCP) connection denied {ENDS} flags SYN  on interface \w+",
    "106006": rf"Deny inbound (?P<p>UDP) {ENDS} on interface \w+",
    "106015": rf"Deny (?P<p>TCP) \(no connection\) {ENDS} flags RST  on interface \w+",
    "106100": (
        rf"access-list \w+ denied (?P<p>tcp|udp) \w+/(?P<s>{IP})\((?P<sp>\d+)\) -> "
        rf"\w+/(?P<d>{IP})\((?P<dp>\d+)\) hit-cnt 1 first hit .*"
    ),
    "710003": (rf"(?P<p>TCP) access denied by ACL from (?P<s>{IP})/(?P<sp>\d+) to \w+:(?P<d>{IP})/(?P<dp>\d+)"),
}
ASA_BUILT = (
    r"Built (?P<way>inbound|outbound) (?P<p>TCP|UDP) connection \d+ "
    rf"for \w+:(?P<s>{IP})/(?P<sp>\d+) \((?P<ms>{IP})/\d+\) "
    rf"to \w+:(?P<d>{IP})/(?P<dp>\d+) \((?P<md>{IP})/\d+\)"
)
ASA_OVER = (
    rf"Teardown (TCP|UDP) connection \d+ for \w+:{IP}/\d+ to \w+:{IP}/\d+ "
    r"duration \d+:\d\d:\d\d bytes \d+( [\w -]+)?"
)
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}


def asa(line: str) -> Read | None:
    head = shaped(ASA_HEAD, line)
    assert int(head["pri"]) % 8 == int(head["sev"])
    when = datetime.strptime(head["when"], "%b %d %Y %H:%M:%S").replace(tzinfo=UTC)
    number, text, time = head["id"], head["text"], int(when.timestamp()) * 1000
    if number == "106023" and text.startswith("Deny icmp"):
        m = shaped(rf"Deny icmp src \w+:(?P<s>{IP}) dst \w+:(?P<d>{IP}) \(type 8, code 0\) by access-group .*", text)
        return Read(time, m["s"], m["d"], protocol=1, allowed=False)
    if number in ASA_DENY:
        m = shaped(ASA_DENY[number], text)
        return Read(time, m["s"], m["d"], int(m["sp"]), int(m["dp"]), NUMBERS[m["p"].lower()], False)
    if number in ("302013", "302015"):
        m = shaped(ASA_BUILT, text)
        ends = (m["s"], m["md"], int(m["sp"]), int(m["dp"]))
        if m["way"] == "outbound":
            ends = (m["d"], m["s"], int(m["dp"]), int(m["sp"]))
        return Read(time, ends[0], ends[1], ends[2], ends[3], NUMBERS[m["p"].lower()], True)
    if number in ("302014", "302016"):
        shaped(ASA_OVER, text)
    return None


# ── Linux netfilter ─────────────────────────────────────────────────────────────────────

NETFILTER = (
    PRI + BSD + r" \S+ kernel: \[ *\d+\.\d{6}\] (?P<prefix>\[UFW (?:LIMIT )?(?:BLOCK|ALLOW)\]|INPUT-DROP:) "
    r"IN=(?P<in>\w*) OUT=(?P<out>\w*) (?:MAC=(?:[0-9a-f]{2}:){13}[0-9a-f]{2} )?SRC=(?P<s>\S+) DST=(?P<d>\S+) "
    r"LEN=(?P<len>\d+) "
    r"(?:TOS=0x00 PREC=0x00 TTL=\d+ ID=\d+ (?:DF )?|TC=0 HOPLIMIT=\d+ FLOWLBL=\d+ )"
    r"PROTO=(?P<p>TCP|UDP|ICMP|ICMPv6) "
    r"(?:SPT=(?P<sp>\d+) DPT=(?P<dp>\d+) "
    r"(?:WINDOW=\d+ RES=0x00 SYN URGP=0|LEN=\d+)|TYPE=\d+ CODE=0 ID=\d+ SEQ=\d+) "
)


def netfilter(line: str) -> Read | None:
    if " SRC=" not in line.partition("] ")[2] or "usb 1-1.2: Product: " in line:
        shaped(PRI + BSD + r" \S+ kernel: \[ *\d+\.\d{6}\] .*", line)
        return None
    m = shaped(NETFILTER, line)
    assert bool(m["in"]) != bool(m["out"])
    return Read(
        bsd_seconds(m["when"]) * 1000,
        str(ip_address(m["s"])),
        str(ip_address(m["d"])),
        int(m["sp"] or 0),
        int(m["dp"] or 0),
        NUMBERS[m["p"].lower()],
        "ALLOW" in m["prefix"],
        int(m["len"]),
    )


# ── pfSense ─────────────────────────────────────────────────────────────────────────────


def pfsense(line: str) -> Read | None:
    head = shaped(PRI + BSD + r" (?P<program>[\w-]+)\[\d+\]: (?P<text>.*)", line)
    if head["program"] != "filterlog":
        return None
    f = head["text"].split(",")
    assert f[6] in ("pass", "block")
    assert f[7] == "in"
    if f[8] == "4":
        protocol, size, src, dst, rest = int(f[15]), int(f[17]), f[18], f[19], f[20:]
    else:
        assert f[8] == "6"
        protocol, size, src, dst, rest = int(f[13]), int(f[14]) + 40, f[15], f[16], f[17:]
    ports = (int(rest[0]), int(rest[1])) if protocol in (6, 17) else (0, 0)
    # TCP: ports, data length, flags, sequence, ack, window, urgent, options; UDP: ports, data length
    assert len(rest) == {6: 9, 17: 3, 1: 3, 58: 1}[protocol]
    return Read(bsd_seconds(head["when"]) * 1000, src, dst, *ports, protocol, f[6] == "pass", size)


# ── Suricata, ClamAV, SpamAssassin, rspamd ──────────────────────────────────────────────


MODERN = rf"1 {ISO} \S+ \w+ \d+ - - "
OLD = rf"{BSD.replace('when', 'old')} \S+ \w+\[\d+\]: "


def suricata(line: str) -> Read | None:
    head = shaped(rf"{PRI}(?:{MODERN}|{OLD})(?P<json>.*)", line)
    e = json.loads(head["json"])
    if e["event_type"] != "alert":
        return None
    time = int(datetime.strptime(e["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000)
    a = e["alert"]
    cves = tuple(c.replace("_", "-") for c in a["metadata"].get("cve", []))
    ports = e.get("src_port", 0), e.get("dest_port", 0)
    return Read(time, e["src_ip"], e["dest_ip"], *ports, NUMBERS[e["proto"].lower()], name=a["signature"], cves=cves)


def clamav(line: str) -> Read | None:
    head = shaped(rf"{PRI}(?:{MODERN}|{OLD})(?P<text>.*)", line)
    found = re.fullmatch(r"/.*: (?P<name>[\w.-]+)(?:\([0-9a-f]{32}:\d+\))? FOUND", head["text"], re.DOTALL)
    return Read(name=found["name"]) if found else None


def spamassassin(line: str) -> Read | None:
    text = shaped(PRI + BSD + r" \S+ spamd\[\d+\]: (?P<text>.*)", line)["text"]
    if text.startswith("spamd: result: "):
        m = shaped(
            r"spamd: result: (?P<v>[Y.]) +(?P<score>-?\d+) - [A-Z0-9_,]+ "
            r"scantime=[\d.]+,size=(?P<size>\d+),user=[\w-]+,uid=\d+,required_score=5\.0,"
            r"rhost=localhost,raddr=127\.0\.0\.1,rport=\d+,mid=<.*>,bayes=[\d.]+,autolearn=\w+ .*",
            text,
        )
        return Read(name="spam" if m["v"] == "Y" else "clean", size=int(m["size"]))
    return None


def rspamd(line: str) -> Read | None:
    text = shaped(PRI + BSD + r" \S+ rspamd\[\d+\]: <[0-9a-f]{6}>; \w+; \w+: (?P<text>.*)", line)["text"]
    if not text.startswith("id: <"):
        return None
    m = shaped(
        r"id: <.*>, qid: <[0-9A-F]{10}>, ip: (?P<ip>[\d.]+), from: <.*>, "
        r"\(default: (?P<v>[TF]) \((?P<a>[a-z ]+)\): \[-?[\d.]+/15\.00\] \[\S+\]\), "
        r"len: \d+, time: [\d.]+ms, dns req: \d+, digest: <[0-9a-f]{32}>, rcpts: <\S+>, .*",
        text,
    )
    return Read(src=m["ip"], name="spam" if m["v"] == "T" else "clean")


READERS = {
    "fortigate": fortigate,
    "asa": asa,
    "netfilter": netfilter,
    "pfsense": pfsense,
    "suricata": suricata,
    "clamav": clamav,
    "spamassassin": spamassassin,
    "rspamd": rspamd,
}
