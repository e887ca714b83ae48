"""What the kernel tests share: the bundled packs at work, and a line's fate as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from cyberalarm._kernel import Batch

NOON = 1_795_003_200_000  # 2026-11-18T12:00:00Z
EXAMPLES = [example.line for pack in bundled().packs for example in pack.example]


@dataclass(frozen=True, slots=True)
class Fate:
    line: int
    outcome: str
    product: str | None
    event: dict[str, Any]


def batch_of(buffer: bytes, *, received_ms: int = NOON, utc_offset_s: int = 0) -> Batch:
    return bundled().kernel.decode(buffer, received_ms=received_ms, utc_offset_s=utc_offset_s)


def told(batch: Batch, first: int = 1) -> list[Fate]:
    rows = [json.loads(row) for row in batch.jsonl(first).splitlines()]
    return [Fate(r["line"], r["outcome"], r.get("product"), r.get("event", {})) for r in rows]


def fates(*lines: str | bytes, **options: int) -> list[Fate]:
    """Each line's fate, decoded in one buffer."""
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    return told(batch_of(b"".join(line + b"\n" for line in raw), **options))


def fate(line: str | bytes, **options: int) -> Fate:
    (one,) = fates(line, **options)
    return one
