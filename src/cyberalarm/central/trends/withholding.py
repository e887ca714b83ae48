"""Which figures an edition that members may read leaves out. Pure.

Invariants, for a minimum of n > 0 members: no row shown rests on fewer than n members; where rows add up to a
total that is shown too, what is left out adds up to at least n members, so that it cannot be had by
subtraction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class Counted(Protocol):
    """Anything that says how many members are behind it."""

    @property
    def members(self) -> int: ...


_Row = TypeVar("_Row", bound=Counted)


def apart(rows: Sequence[_Row], minimum: int) -> tuple[tuple[_Row, ...], int]:
    """The rows that may be shown, and how many may not, for rows that add up to nothing."""
    shown = tuple(row for row in rows if row.members >= minimum)
    return shown, len(rows) - len(shown)


def parts(rows: Sequence[_Row], minimum: int) -> tuple[tuple[_Row, ...], int]:
    """As `apart`, for rows with no member in common that add up to a total that is shown."""
    hidden = [row for row in rows if row.members < minimum]
    rest = sorted((row for row in rows if row.members >= minimum), key=lambda row: row.members)
    while hidden and rest and (len(hidden) < 2 or sum(row.members for row in hidden) < minimum):
        hidden.append(rest.pop(0))
    kept = {id(row) for row in rest}
    return tuple(row for row in rows if id(row) in kept), len(hidden)


def series(rows: Sequence[_Row], minimum: int) -> tuple[tuple[_Row, ...], int]:
    """As `parts`, for rows that may share members: all or none, as what is left out may be one member's."""
    if any(row.members < minimum for row in rows):
        return (), len(rows)
    return tuple(rows), 0
