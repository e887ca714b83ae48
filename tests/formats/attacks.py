"""Writes every product's lines into every value of every other's examples, and counts what that changes.

`python -m tests.formats.attacks [PACK…]` prints one row for each pair of packs of which one's text made the other's line its own
(`other`), and for each value from which an address of the product's own form came into an event (`moved`). It takes minutes, so
it is no test: `test_pack_strangers.py` holds what must stay. More is counted than a stranger can do: which values he writes is
guessed from their names, and where a line has no names, every word that may be another is taken for his.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from cyberalarm.formats.library import bundled
from cyberalarm.formats.lint import REFERENCE_MS
from tests.kernel.decoding import fates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.formats.pack import Line
    from tests.kernel.decoding import Fate

FORGED = "8.8.8.8"
ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-fA-F]{0,4}:){2,}[0-9a-fA-F.]{0,15})(?![\w.])")
# Values with names that strangers write into.
STRANGERS = re.compile(
    r"(?i)user|usr|login|account|acct|^u$|name$|uri|url|request|path|agent|referr?er|subject|^from|sender|recipient|rcpt|^to$|"
    r"helo|ehlo|host|domain|quer|file|^msg$|message|reason|sni|mail|cookie|payload|title|^desc|command|cmd|^text|attach|header"
)
VALUES = [
    ('"', re.compile(r'"((?:[^"\\]|\\.|"")*)"')),
    ("'", re.compile(r"'([^']*)'")),
    ("<", re.compile(r"<([^<>]*[A-Za-z@][^<>]*)>")),
    ("", re.compile(r"[\w.@-]+=([^\s\"'<>\[\](),;|]+)")),
    ("", re.compile(r"([^\s\"'<>\[\](),;|={}]+)")),
]
KEY = re.compile(r"""([\w.@-]+)["']?\]?\s*[=:]\s*\\?["'<]?$|<(?:Data Name=['"])?([\w.-]+)['"]?>$""")
NAMED = {"json", "xml", "cef", "leef", "kv"}


class Place(NamedTuple):
    """A value in an example of a pack."""

    pack: str
    line: Line
    before: str
    after: str
    quote: str
    name: str

    def filled(self, text: str) -> str:
        return self.before + self._escaped(text) + self.after

    def _escaped(self, text: str) -> str:
        text = text.replace("\t", " ")
        match self.line.syntax:
            case "json":
                return json.dumps(text, ensure_ascii=False)[1:-1]
            case "xml":
                return html.escape(text)
            case "cef":
                return text.replace("\\", "\\\\").replace("=", "\\=").replace("|", "\\|")
            case "csv" if self.quote != '"':
                return text.replace(self.line.csv.separator, "_")
            case "csv" if not self.line.csv.escape:
                return text.replace('"', '""')
        if self.quote == '"':
            return text.replace("\\", "\\\\").replace('"', '\\"')
        return text.replace("<", "(").replace(">", ")") if self.quote == "<" else text


class Example(NamedTuple):
    pack: str
    line: Line
    text: str
    body: str


def examples() -> Iterator[Example]:
    """All packs' examples that are kept, with the line that reads them and what stands behind their header."""
    library = bundled()
    for pack in library.packs:
        lines = {line.name: line for line in pack.line}
        for example in pack.example:
            steps = json.loads(library.kernel.explain(example.line.encode(), received_ms=REFERENCE_MS))["steps"]
            read = [step["line"] for step in steps if step["step"] == "meaning"]
            starts = next(step["message_may_begin_at"] for step in steps if step["step"] == "header")
            if example.outcome == "kept" and read and read[-1] in lines:
                body = example.line.encode()[starts[-1] :].decode(errors="ignore")
                yield Example(pack.name, lines[read[-1]], example.line, body)


def places(example: Example) -> Iterator[Place]:
    """The values of an example that may be another without changing its event."""
    pack, line, text, body = example
    named = line.syntax in NAMED
    taken: list[tuple[int, int]] = []
    for quote, pattern in VALUES:
        for found in pattern.finditer(text, len(text) - len(body)):
            start, end = found.span(1)
            key = KEY.search(text[:start])
            name = (key[1] or key[2]) if key else ""
            inside = any(first < end and start < last for first, last in taken)
            plain = not re.search(r"[A-Za-z]", found[1]) or ADDRESS.fullmatch(found[1])
            if inside or plain or (named and not (name and STRANGERS.search(name))):
                continue
            taken.append((start, end))
            yield Place(
                pack, line, text[:start] + "x", "x" + text[end:], quote, name or f"word {text[:start].count(' ')}"
            )


def decode(texts: list[str]) -> list[Fate]:
    return fates(*texts, received_ms=REFERENCE_MS)


def _told(fate: Fate) -> tuple[Any, ...]:
    return (fate.outcome, fate.product, *(fate.event.get(name) for name in ("src_ip", "dst_ip", "action")))


def changes(place: Place, strangers: list[str], own: list[str]) -> Iterator[tuple[str, str, str]]:
    """What the texts change, written into a place: kind of change, pack, and by what."""
    plain, *found = decode([place.filled(text) for text in ["zq", *own, *strangers]])
    addresses = {plain.event.get("src_ip"), plain.event.get("dst_ip"), None}
    for fate in found:
        if fate.product != place.pack:
            yield "other", place.pack, fate.product or "nobody"
        elif not {fate.event.get("src_ip"), fate.event.get("dst_ip")} <= addresses:
            yield "moved", place.pack, f"{place.line.name}: {place.name}"


def main(packs: list[str]) -> None:
    told = list(examples())
    strangers = list({(one.pack, one.line.name): text for one in told for text in (one.body[:600],)}.items())
    counts: Counter[tuple[str, str, str]] = Counter()
    seen: set[tuple[str, str, str]] = set()
    for example in told:
        if packs and example.pack not in packs:
            continue
        before = _told(decode([example.text])[0])
        for place in places(example):
            where = (place.pack, place.line.name, place.name)
            if where in seen or _told(decode([place.filled("zq")])[0]) != before:
                continue
            seen.add(where)
            rest, head = ADDRESS.sub(FORGED, place.after[1:]), ADDRESS.sub(FORGED, place.before[-len(example.body) :])
            own = [rest, head, f" {head}", f" src={FORGED} ", f" from {FORGED} port 22 ", f" [{FORGED}] "]
            counts.update(changes(place, [text for (pack, _), text in strangers if pack != place.pack], own))
    for change, times in sorted(counts.items()):
        print("\t".join(change), times, sep="\t")
    print(
        len(seen),
        "values,",
        ", ".join(f"{n} {kind}" for kind, n in Counter(kind for kind, _, _ in counts).items()),
        file=sys.stderr,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
