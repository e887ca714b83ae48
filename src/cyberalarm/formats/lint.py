"""Checks packs: their examples decode as they say, no pack claims another's lines, nothing in them is unused.

A pack that cannot even be loaded raises PackError; everything else is an `Issue`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.formats import loader
from cyberalarm.formats.library import Library, bundled
from cyberalarm.formats.pack import FieldSource

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Example, Pack

# Examples without a year in their header are read against this time: 2026-11-18T12:00:00Z.
REFERENCE_MS = 1_795_003_200_000


@dataclass(frozen=True, slots=True)
class Issue:
    pack: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.pack}: {self.where}: {self.what}"


def lint(extra: tuple[Pack, ...] = ()) -> list[Issue]:
    """All issues of the bundled packs and the given ones together. Raises PackError."""
    replaced = {pack.name for pack in extra}
    return lint_together(tuple(p for p in bundled().packs if p.name not in replaced) + extra)


def lint_together(packs: tuple[Pack, ...]) -> list[Issue]:
    """All issues of just these packs, as one library. Raises PackError."""
    library = loader.build(packs)
    issues: list[Issue] = []
    fallbacks = {pack.name for pack in packs if pack.fallback}
    for pack in packs:
        for number, example in enumerate(pack.example, 1):
            issues += _check_example(library, pack, f"example {number}", example)
        issues += _unused_maps(pack)
        issues += _unused_kinds(pack)
        issues += _missing_examples(library, pack)
        issues += _overlaps(library, pack, fallbacks)
    return issues


def _check_example(library: Library, pack: Pack, where: str, example: Example) -> list[Issue]:
    batch = library.kernel.decode(example.line.encode(), received_ms=REFERENCE_MS)
    if batch.lines != 1:
        return [Issue(pack.name, where, "is not exactly one line")]
    got = json.loads(batch.jsonl(1))
    if got.get("product") != pack.name:
        return [Issue(pack.name, where, f"is taken by {got.get('product') or 'no pack'}")]
    if got["outcome"] != example.outcome:
        return [Issue(pack.name, where, f"has the outcome {got['outcome']}, not {example.outcome}")]
    event = got.get("event", {})
    if example.event and event != example.event:
        wrong = sorted(k for k in {*event, *example.event} if event.get(k) != example.event.get(k))
        told = ", ".join(f"{k} is {event.get(k)!r}, not {example.event.get(k)!r}" for k in wrong)
        return [Issue(pack.name, where, told)]
    return []


def _maps_used(pack: Pack) -> set[str]:
    tables = [table for line in pack.line for table in (line.fields, *(kind.fields for kind in line.kind))]
    sources = [source for table in tables for source in table.values()]
    return {s.map for s in sources if isinstance(s, FieldSource) and isinstance(s.map, str)}


def _unused_maps(pack: Pack) -> list[Issue]:
    unused = sorted(set(pack.maps) - _maps_used(pack))
    return [Issue(pack.name, f"maps.{name}", "no field uses this table") for name in unused]


def _unused_kinds(pack: Pack) -> list[Issue]:
    used = {name for line in pack.line for name in line.kinds}
    return [Issue(pack.name, f"kind {kind.name!r}", "no line names it") for kind in pack.kind if kind.name not in used]


def _missing_examples(library: Library, pack: Pack) -> list[Issue]:
    """Every way in which the product writes is shown, and one kept line with its event."""
    only_noise = all(kind.noise for line in pack.line for kind in line.kind)
    kept = any(e.outcome == "kept" and e.event for e in pack.example)
    issues = [] if kept or only_noise else [Issue(pack.name, "example", "no example shows a kept line with its event")]
    shown = {name for example in pack.example for name in _lines_of(library, example)}
    return issues + [
        Issue(pack.name, f"line {line.name!r}", "no example") for line in pack.line if line.name not in shown
    ]


def _lines_of(library: Library, example: Example) -> set[str]:
    """The names of the line kinds that read an example."""
    steps = json.loads(library.kernel.explain(example.line.encode(), received_ms=REFERENCE_MS))["steps"]
    return {step["line"] for step in steps if step["step"] == "meaning"}


def _overlaps(library: Library, pack: Pack, fallbacks: set[str]) -> list[Issue]:
    """Other packs that would take this one's lines, where it does not say that it is over them."""
    claims = {
        other
        for example in pack.example
        for other in library.kernel.claims(example.line.encode(), received_ms=REFERENCE_MS)
        if other != pack.name and other not in fallbacks
    }
    issues = [
        Issue(pack.name, "over", f"{name} would take some of its lines as well")
        for name in sorted(claims - set(pack.over))
    ]
    return issues + [
        Issue(pack.name, "over", f"{name} takes none of its lines") for name in sorted(set(pack.over) - claims)
    ]
