"""The fields that everybody must take out of a line, taken out with `re`: the naive floor, and what peers are checked against.

Nine texts for a line: time, source and destination address, source and destination port, protocol, action, bytes from the source,
bytes back. A peer writes the same nine, separated by tabs; each may write them in its own way, so they are compared by what
they mean. Lines that report no connection have no fields; they are not compared.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Texts = tuple[bytes, ...]  # nine
NAMES = (
    "time",
    "source",
    "destination",
    "source port",
    "destination port",
    "protocol",
    "action",
    "bytes",
    "bytes back",
)
NOTHING: Texts = (b"",) * len(NAMES)

PAIR = re.compile(rb'(\w+)=("[^"]*"|\S*)')
JSON_PAIR = re.compile(rb'"(\w+)":"?([^",{}\[\]]*)')
HEADER = re.compile(rb"<\d+>(?:1 (\S+)|(\w{3} [ \d]\d(?: \d{4})? [\d:]{8})) ")
PLACE = rb"(?:[\w-]+[:/])?([0-9a-f.:]+?)(?:[/(](\d+)\)?)?"
ASA = (
    re.compile(rb"%ASA-\d-(?:106023): (?P<a>Deny) (?P<p>\w+) src " + PLACE + rb" dst " + PLACE + rb" "),
    re.compile(
        rb"%ASA-\d-30201[35]: (?P<a>Built) (?P<w>\w+) (?P<p>\w+) connection \d+ for \S+ \(([^/]+)/(\d+)\) to \S+ \(([^/]+)/(\d+)\)"
    ),
    re.compile(rb"%ASA-\d-106100: access-list \S+ (?P<a>\w+) (?P<p>\w+) " + PLACE + rb" -> " + PLACE + rb" "),
    re.compile(rb"%ASA-\d-106001: Inbound (?P<p>\w+) connection (?P<a>\w+) from " + PLACE + rb" to " + PLACE + rb" "),
    re.compile(rb"%ASA-\d-106015: (?P<a>Deny) (?P<p>\w+) \(no connection\) from " + PLACE + rb" to " + PLACE + rb" "),
    re.compile(rb"%ASA-\d-106006: (?P<a>Deny) inbound (?P<p>\w+) from " + PLACE + rb" to " + PLACE + rb" "),
    re.compile(rb"%ASA-\d-710003: (?P<p>\w+) access (?P<a>\w+) by ACL from " + PLACE + rb" to " + PLACE + rb"$"),
)


def texts(line: bytes) -> Texts:
    """The nine texts as a script would find them."""
    if b" devid=" in line:
        return _fortigate(line)
    header = HEADER.match(line)
    if header is None:
        return NOTHING
    time, rest = header[1] or header[2], line[header.end() :]
    if rest.startswith(b"filterlog["):
        return _filterlog(time, rest)
    if b" : %ASA-" in rest[:40]:
        return _asa(time, rest)
    if b"suricata" in rest[:20]:
        pairs = dict(JSON_PAIR.findall(rest))
        if b"src_ip" not in pairs or pairs[b"event_type"] not in {b"flow", b"alert"}:
            return NOTHING
        names = (b"timestamp", b"src_ip", b"dest_ip", b"src_port", b"dest_port", b"proto", b"action", b"bytes_toserver")
        return tuple(pairs.get(name, b"") for name in (*names, b"bytes_toclient"))
    if b" SRC=" in rest and b" kernel: " in rest[:20]:
        pairs = dict(PAIR.findall(rest))
        action = rest[rest.find(b"]") + 1 : rest.find(b"IN=")]
        said = (b"SRC", b"DST", b"SPT", b"DPT", b"PROTO")
        return (time, *(pairs.get(name, b"") for name in said), action, b"", b"")
    return NOTHING


def _fortigate(line: bytes) -> Texts:
    # The first of each name: behind an escaped quotation mark, a stranger's text may look like another pair.
    pairs = dict(reversed(PAIR.findall(line)))
    if pairs.get(b"type") == b'"event"':
        return NOTHING
    time = b" ".join((pairs.get(b"date", b""), pairs.get(b"time", b""), pairs.get(b"tz", b"").strip(b'"')))
    wanted = (b"srcip", b"dstip", b"srcport", b"dstport", b"proto", b"action", b"sentbyte", b"rcvdbyte")
    return (time, *(pairs.get(name, b"").strip(b'"') for name in wanted))


def _filterlog(time: bytes, rest: bytes) -> Texts:
    got = rest.split(b",")
    if got[8] == b"4":
        protocol, length, source, destination = got[15], got[17], got[18], got[19]
        after = got[20:22]
    else:
        protocol, length, source, destination = got[13], got[14], got[15], got[16]
        after = got[17:19]
    ports = after if protocol in {b"6", b"17"} else [b"", b""]
    return (time, source, destination, *ports, protocol, got[6], length, b"")


def _asa(time: bytes, rest: bytes) -> Texts:
    for pattern in ASA:
        if found := pattern.search(rest):
            parts = found.groupdict()
            named = {found.re.groupindex[name] for name in parts}
            ends = [part or b"" for n, part in enumerate(found.groups(), 1) if n not in named]
            if parts.get("w") == b"outbound":
                ends = ends[2:] + ends[:2]
            return (time, ends[0], ends[2], ends[1], ends[3], parts["p"], parts["a"], b"", b"")
    return NOTHING


PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "ipv6-icmp": 58}
BLOCKED = re.compile(r"deny|denied|block|drop|reset|blocked|dropped", re.IGNORECASE)
ALLOWED = re.compile(
    r"accept|close|allow|pass|built|permitted|timeout|client-rst|server-rst|ip-conn|start|dns", re.IGNORECASE
)
LET_PASS = ("allowed", "detected")  # what an IDS saw and let pass: it says the one, we say the other
ISO = re.compile(r"\d{4}-\d\d-\d\dT\S+$")
Meaning = tuple[object, ...]


def meaning(nine: Sequence[str]) -> Meaning:
    """What nine texts mean; None for what is not said."""
    time, source, destination, source_port, destination_port, protocol, action, size, back = (t.strip() for t in nine)
    number = PROTOCOLS.get(protocol.lower(), protocol)
    return (
        _time(time), _address(source), _address(destination), _number(source_port), _number(destination_port),
        _number(str(number)), _action(action), _number(size), _number(back),
    )  # fmt: skip


def _time(text: str) -> int | None:
    """Seconds; a time without a year is of 2026, and one without a zone is UTC."""
    if iso := ISO.search(text):
        return int(datetime.fromisoformat(iso[0]).timestamp())
    text = text.replace("wexcombe-asa", "").strip()
    for form in ("%Y-%m-%d %H:%M:%S %z", "%b %d %Y %H:%M:%S"):
        try:
            when = datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            continue
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    try:
        return int(datetime.strptime("2026 " + text, "%Y %b %d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _address(text: str) -> str | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _action(text: str) -> str | None:
    if BLOCKED.search(text):
        return "blocked"
    if text.strip() == "detected":
        return "detected"
    return "allowed" if ALLOWED.search(text) else None


def share_right(lines: Iterable[bytes], answers: Iterable[Sequence[str]]) -> tuple[float, int, str]:
    """The share of lines that tell of a connection with all that `re` found the same in the answer; how many; the worst field."""
    right = asked = 0
    wrong = [0] * len(NAMES)
    for line, answer in zip(lines, answers, strict=True):
        nine = texts(line)
        if not nine[1]:
            continue
        asked += 1
        wanted = meaning([text.decode("ascii", "replace") for text in nine])
        got = meaning(answer)
        pairs = enumerate(zip(wanted, got, strict=True))
        misses = [n for n, (want, have) in pairs if want not in (None, have) and (want, have) != LET_PASS]
        right += not misses
        for n in misses:
            wrong[n] += 1
    worst = NAMES[wrong.index(max(wrong))] if any(wrong) else ""
    return (right / asked if asked else 0.0), asked, worst


def is_address(text: str) -> bool:
    return _address(text.strip()) is not None
