"""Lines of every product with secrets planted where a device writes what is people's: names, mailboxes, pages, hosts, cookies.

The lines are the packs' examples. Where a value stands is found by its name (keys, columns, attributes, the names in a pack's own
templates) or by its look (a mailbox, the address of a page), whatever the pack makes of it. Every planted text holds `MARK`,
which no example does, so finding it in what leaves is finding a leak.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = b"zqx"
NOON = 1_795_003_200_000  # 2026-11-18T12:00:00Z

# What stands in a value of such a name. The first that fits decides.
KINDS = [
    ("mailbox", re.compile(r"(?i)mail|sender|recipient|rcpt|^from$|^to$|^cc$|envelope")),
    ("page", re.compile(r"(?i)(?<!sec)ur[li]|request|referr?er|link|query.?string")),
    ("cookie", re.compile(r"(?i)cookie|session.?id|token|authorization|password|passwd")),
    ("payload", re.compile(r"(?i)payload|body|packet.?data|hexdump|^data$|pattern")),
    (
        "host",
        re.compile(
            r"(?i)host|computer|workstation|machine|fqdn|endpoint.?name|rrname|^sni$|dns.?name|query$|qname|ssid"
        ),
    ),
    ("user", re.compile(r"(?i)user|usr|account|acct|login|logon|owner|employee|identity|^u$")),
    ("file", re.compile(r"(?i)file.?(?:name|path)|^file$|^fname|path$|command|cmd|process.?name|agent|subject")),
]
# Names of what looks like people's and is the product's own: a host's address, a kind of user, an action, the category of a page.
NOT_PEOPLES = re.compile(
    r"(?i)addr|ip$|_ip|port|type|id$|count|status|action|result|reason|risk|score|class|group|category|method|version|hash|"
    r"sha|md5|time|size|length|code|level|severity|protocol|bytes|number|outcome|rule|policy|priority|source$|auth|direction|event|error|context|mnemonic|^name$"
)
# Values in packs' templates whose names mislead: Comware's word for the event is SHELL_LOGIN.
_OWN_WORDS = {("hpe-comware", "login")}
_LOOKS = [
    ("mailbox", re.compile(rb"(?<![\w.+/=-])[\w.+-]+@(?=[\w-]+\.[\w.-]+)")),
    ("page", re.compile(rb"(?<![\w])https?://[^\s\"'<>|,;\\)\]}^]+")),
]
# A value and the name before it: `name="value"`, `"name": "value"`, `name=value`, `<Name>value<`, `Name: value`.
_NAMED = re.compile(
    rb"""(?P<name>[A-Za-z_@][\w.@-]{0,60})(?:
        \\?"?\s*[=:]\s*\\?"(?P<quoted>(?:[^"\\]|\\.)*?)\\?"
      | =(?P<bare>[^\s"'<>|,;\[\](){}^]+)
      | ["']?>(?P<text>[^<>]+)</
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Sown:
    """An example with holes: `parts` has one more piece than `kinds`."""

    product: str
    parts: tuple[bytes, ...]
    kinds: tuple[str, ...]

    def grown(self, chance: random.Random, number: int) -> bytes:
        """A line with every hole filled; `number` makes its secrets its own."""
        line = [self.parts[0]]
        for kind, part in zip(self.kinds, self.parts[1:], strict=True):
            line += (chance.choice(SECRETS[kind]).replace(b"%", b"%d" % number), part)
        return b"".join(line)


# What is planted; `%` is the line's number.
SECRETS = {
    "mailbox": [b"zqxalice%@example.org", b"zqx.o.brien+%@mail.example.net"],
    "box": [b"zqxalice%@", b"zqx.o.brien+%@"],
    "page": [b"https://zqxhost%.example.org/zqxpath/%?name=zqxarg%", b"http://example.org/zqx%/login"],
    "cookie": [b"zqxcookie%", b"zqx-%-1f2e3d4c5b6a"],
    "payload": [b"zqxpayload%", b"GET /zqx% HTTP/1.1"],
    "host": [b"zqxhost%", b"zqxpc-%.school.example.org"],
    "user": [b"zqxuser%", b"zqx.smith%", b"EXAMPLE-zqx%"],
    "file": [b"zqxfile%.docx", b"/home/zqx%/letter.odt"],
}


def kind_of(name: str) -> str | None:
    """What a value of this name holds of people's; None for nothing."""
    name = name.rpartition(".")[2]
    if NOT_PEOPLES.search(name):
        return None
    return next((kind for kind, names in KINDS if names.search(name)), None)


def sown(product: str, line: bytes, slots: dict[str, str]) -> Sown:
    """Find the holes of a line. `slots` are the values that its pack reads, by name."""
    holes: dict[tuple[int, int], str] = {}
    for kind, look in _LOOKS:
        for match in look.finditer(line):
            holes[match.span()] = "box" if kind == "mailbox" else kind
    for match in _NAMED.finditer(line):
        group = next(name for name in ("quoted", "bare", "text") if match[name] is not None)
        _add(holes, kind_of(match["name"].decode("ascii", "replace")), match.span(group))
    for name, value in slots.items():
        raw = value.encode("utf-8", "surrogateescape")
        at = line.find(raw)
        if at >= 0 and line.count(raw) == 1:
            is_own = name.startswith("@") or (product, name) in _OWN_WORDS
            _add(holes, None if is_own else kind_of(name), (at, at + len(raw)))
    parts, kinds, end = [], [], 0
    for (start, stop), kind in sorted(holes.items()):
        parts.append(line[end:start])
        kinds.append(kind)
        end = stop
    return Sown(product, (*parts, line[end:]), tuple(kinds))


def _add(holes: dict[tuple[int, int], str], kind: str | None, span: tuple[int, int]) -> None:
    start, stop = span
    if kind and start < stop and all(stop <= begin or end <= start for begin, end in holes):
        holes[span] = kind


def field() -> list[Sown]:
    """Every example of every pack that has a hole."""
    found = []
    kernel = bundled().kernel
    for pack in bundled().packs:
        for example in pack.example:
            line = example.line.encode()
            told = json.loads(kernel.explain(line, received_ms=NOON))
            slots = {name: value for step in told["steps"] for name, value in step.get("values", {}).items()}
            made = sown(pack.name, line, slots)
            if made.kinds:
                found.append(made)
    return found


def lines(field_of: list[Sown], number: int, seed: int) -> Iterator[tuple[Sown, bytes]]:
    """So many lines, by chance, each with secrets of its own."""
    chance = random.Random(seed)
    for at in range(number):
        one = chance.choice(field_of)
        yield one, one.grown(chance, at)
