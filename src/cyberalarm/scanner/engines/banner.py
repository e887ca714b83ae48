"""What a service says by itself after a connection, and which protocol that is.

Reads at most 4 KB and waits at most a few seconds. Total on arbitrary bytes: what is not recognised is
"unknown", and its first bytes are kept as evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cyberalarm.scanner.evidence import trimmed
from cyberalarm.scanner.identity import Observation

MOST_BYTES = 4096
# Services that speak first do so at once; a tarpit drips a line every ten seconds (RFC 4253 lets servers send
# lines before the identification, RFC 5321 allows 5 minutes that we do not have).
WAIT_SECONDS = 3.0

_SSH = re.compile(r"^SSH-(?:2\.0|1\.99|1\.5)-([^\r\n]{1,253})", re.MULTILINE)
_GREETING = re.compile(r"^(?:[0-9]{3}[ -]|\* (?:OK|PREAUTH) ?|\+OK ?)")
# RFC 854: IAC followed by WILL, WONT, DO or DONT.
_TELNET_COMMANDS = (b"\xfb", b"\xfc", b"\xfd", b"\xfe")


@dataclass(frozen=True, slots=True)
class Banner:
    """`protocol` is empty when nothing was said, `unknown` when it was not understood."""

    protocol: str
    text: str
    observations: tuple[Observation, ...]


def complete(raw: bytes) -> bool:
    """Whether a whole line, or a MySQL greeting, is here."""
    return b"\n" in raw or (
        len(raw) > 5 and raw[3:5] == b"\x00\x0a" and len(raw) >= 4 + int.from_bytes(raw[:3], "little")
    )


def read_banner(raw: bytes) -> Banner:
    """Name the protocol of a greeting and take out what fingerprints read."""
    if not raw:
        return Banner("", "", ())
    mysql = _mysql(raw)
    if mysql is not None:
        return mysql
    if raw[0] == 0xFF and raw[1:2] in _TELNET_COMMANDS:
        return Banner("telnet", "Telnet negotiation", ())
    text = raw[:MOST_BYTES].decode("utf-8", "replace")
    ssh = _SSH.search(text)
    if ssh:
        return Banner("ssh", trimmed(ssh[0]), (Observation("ssh.banner", ssh[1].strip()),))
    line = text.split("\n", 1)[0].rstrip("\r")
    protocol = _line_protocol(line, text)
    if not protocol:
        return Banner("unknown", trimmed(raw), (Observation("line.banner", line),))
    seen = [Observation(f"{protocol}.banner", line)]
    rest = _GREETING.sub("", line)
    if rest != line:
        seen.append(Observation(f"{protocol}.greeting", rest))
    return Banner(protocol, trimmed(line), tuple(seen))


def _line_protocol(line: str, text: str) -> str:
    if re.match(r"220[ -]", line):
        # Both greet with 220; mail servers name their protocol or host, file servers their program.
        return "smtp" if re.search(r"E?SMTP|Mail|Postfix|Exim|Sendmail", text, re.IGNORECASE) else "ftp"
    if re.match(r"[45][0-9]{2}[ -]", line):
        return "refusing"
    if line.startswith(("* OK", "* PREAUTH")):
        return "imap"
    if line.startswith("+OK"):
        return "pop3"
    if re.match(r"RFB [0-9]{3}\.[0-9]{3}", line):
        return "vnc"
    return ""


def _mysql(raw: bytes) -> Banner | None:
    """The MySQL greeting: three bytes of length, number 0, protocol 10 or an error packet, version, zero."""
    if len(raw) < 6 or raw[3] != 0 or int.from_bytes(raw[:3], "little") > MOST_BYTES:
        return None
    if raw[4] == 0xFF:
        words = trimmed(raw[7:])
        known = re.search(r"MySQL|MariaDB|not allowed to connect", words)
        return Banner("mysql", words, (Observation("mysql.error", words),)) if known else None
    end = raw.find(b"\x00", 5, 5 + 128)
    if raw[4] != 10 or end < 0:
        return None
    version = trimmed(raw[5:end])
    return Banner("mysql", version, (Observation("mysql.banner", version),))
