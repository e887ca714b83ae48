"""Whom the member trusts, and which known sources there are to choose from: what is applied, and what has shown up here lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector import state as notes
from cyberalarm.core.known_sources import chosen, operators

if TYPE_CHECKING:
    from datetime import date

    from cyberalarm.collector.config import CollectorConfig

OWN = "own"


@dataclass(frozen=True, slots=True)
class Trusted:
    """An operator of the list, or a network of the member's own list (kind `own`).

    `seen` are its lines among those that the running collector looked at, `last_seen` when the last one was (seconds since 1970).
    """

    name: str
    kind: str
    title: str
    does: str
    applied: bool
    seen: int
    last_seen: float
    networks: tuple[str, ...]
    origin: str = ""
    copy: str = ""
    dated: date | None = None
    checked: date | None = None


def listed(config: CollectorConfig) -> list[Trusted]:
    """The member's own list, then all known sources in the order of their file."""
    state = notes.read(config.data)
    seen = state.known_seen if state else {}
    applied = {one.name for one in chosen(config.networks.known)}
    rows = [
        Trusted(text, OWN, "", "On your own list: nothing of it is sent.", True, 0, 0.0, (text,))
        for text in config.networks.trusted
    ]
    for one in operators().values():
        note = seen.get(one.name)
        rows.append(
            Trusted(
                name=one.name,
                kind=one.kind,
                title=one.title,
                does=one.does,
                applied=one.name in applied,
                seen=note.lines if note else 0,
                last_seen=note.last if note else 0.0,
                networks=tuple(str(net) for net in one.networks),
                origin=one.origin,
                copy=one.copy,
                dated=one.dated,
                checked=one.checked,
            )
        )
    return rows
