"""A row that a query answered with: frozen, and typed at the point of use.

Addresses are text (IPv4 where mapped, empty for none), times are aware and in UTC, hashes are hex, enums
are their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address

from cyberalarm.core import addresses

Scalar = int | float | str | datetime | date | None
Value = Scalar | tuple["Value", ...]


def plain(value: object) -> Value:
    """Turn what the driver gives into a `Value`. Raises TypeError on anything unforeseen."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case IPv6Address() | IPv4Address():
            return addresses.text(addresses.pack(value))
        case bytes():
            return value.hex()
        case datetime():
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        case date():
            return value
        case Decimal():
            return float(value)
        case Sequence():
            return tuple(plain(v) for v in value)
        case _:
            raise TypeError(f"a query answered with a {type(value).__name__}, which rows cannot hold")


class Row(Mapping[str, Value]):
    """One answered row: a frozen mapping, with an accessor for each type."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: Mapping[str, int], values: tuple[Value, ...]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, name: str) -> Value:
        return self._values[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash((tuple(self._names), self._values))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return tuple(self._names) == tuple(other._names) and self._values == other._values

    def __repr__(self) -> str:
        return f"Row({dict(self)!r})"

    def number(self, name: str) -> int:
        """A whole number; nothing counts as 0."""
        value = self[name]
        if value is None:
            return 0
        if isinstance(value, int):
            return value
        raise TypeError(f"column {name} is not a whole number")

    def text(self, name: str) -> str:
        """A text; nothing counts as empty."""
        value = self[name]
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        raise TypeError(f"column {name} is not text")

    def texts(self, name: str) -> tuple[str, ...]:
        value = self[name]
        if isinstance(value, tuple) and all(isinstance(v, str) for v in value):
            return tuple(str(v) for v in value)
        raise TypeError(f"column {name} is not a list of texts")

    def numbers(self, name: str) -> tuple[int, ...]:
        value = self[name]
        if isinstance(value, tuple):
            found = tuple(v for v in value if isinstance(v, int))
            if len(found) == len(value):
                return found
        raise TypeError(f"column {name} is not a list of whole numbers")

    def days(self, name: str) -> tuple[date, ...]:
        value = self[name]
        if isinstance(value, tuple):
            found = tuple(v for v in value if isinstance(v, date) and not isinstance(v, datetime))
            if len(found) == len(value):
                return found
        raise TypeError(f"column {name} is not a list of days")

    def time(self, name: str) -> datetime:
        value = self[name]
        if isinstance(value, datetime):
            return value
        raise TypeError(f"column {name} is not a time")

    def day(self, name: str) -> date:
        value = self[name]
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        raise TypeError(f"column {name} is not a day")
