"""The event's Arrow schema, and tables of events.

Invariants: `arrow_schema()` follows `core/schema.toml` field by field; `stored_schema()` is it plus the
origin that the centre adds (whose collector, which bundle, when stored). Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cyberalarm.core import addresses
from cyberalarm.core.schema import NO_ADDRESS, UNKNOWN_PROTOCOL, Field, FieldType, event_schema

from .errors import EventTableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TIME = pa.timestamp("ms", tz="UTC")
_NAME = pa.dictionary(pa.int32(), pa.utf8())
_TYPES: dict[FieldType, pa.DataType] = {
    FieldType.TIME: _TIME,
    FieldType.U8: pa.uint8(),
    FieldType.U16: pa.uint16(),
    FieldType.U32: pa.uint32(),
    FieldType.U64: pa.uint64(),
    FieldType.ENUM: pa.uint8(),
    FieldType.NAME: _NAME,
    FieldType.TEXT: pa.utf8(),
    FieldType.TEXTS: pa.list_(pa.utf8()),
    FieldType.ADDRESS: pa.binary(16),
    FieldType.SHA256: pa.binary(32),
}
ORIGIN_FIELDS: tuple[str, ...] = ("member", "collector", "sequence", "force", "region", "stored")

# What a field of an event may be given as: addresses and enums as text, times aware.
FieldValue = int | str | bytes | datetime | list[str] | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bundle's rows came from: the columns that the centre adds to each."""

    member: int
    collector: int
    sequence: int
    force: str
    region: str
    stored: datetime


@cache
def arrow_schema() -> pa.Schema:
    """The contract's schema of a bundle's events."""
    return pa.schema([pa.field(f.name, _TYPES[f.type], nullable=f.nullable) for f in event_schema().fields])


@cache
def stored_schema() -> pa.Schema:
    """The event's fields followed by `ORIGIN_FIELDS`, as `EventStore.insert` takes them."""
    origin = [
        pa.field("member", pa.uint32(), nullable=False),
        pa.field("collector", pa.uint32(), nullable=False),
        pa.field("sequence", pa.uint64(), nullable=False),
        pa.field("force", _NAME, nullable=False),
        pa.field("region", _NAME, nullable=False),
        pa.field("stored", _TIME, nullable=False),
    ]
    return pa.schema([*arrow_schema(), *origin])


def with_origin(events: pa.Table, origin: Origin) -> pa.Table:
    """Add the origin's columns to a bundle's events."""
    rows = events.num_rows

    def same(value: int | datetime, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), rows)

    def same_name(value: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([value]))

    columns = [
        same(origin.member, pa.uint32()),
        same(origin.collector, pa.uint32()),
        same(origin.sequence, pa.uint64()),
        same_name(origin.force),
        same_name(origin.region),
        same(origin.stored, _TIME),
    ]
    return pa.table([*events.columns, *columns], schema=stored_schema())


def check_stored(table: pa.Table) -> None:
    """Make sure that a table fits the store: names, types, no forbidden null, every enum code known.

    Raises EventTableError. The engine itself would take an unknown enum code and answer null ever after.
    """
    wanted = stored_schema()
    if table.schema.names != wanted.names:
        raise EventTableError("A table for the event store has the wrong columns.")
    for field in wanted:
        column = table.column(field.name)
        if column.type != field.type:
            raise EventTableError(f"Column {field.name} has the type {column.type} instead of {field.type}.")
        if not field.nullable and column.null_count:
            raise EventTableError(f"Column {field.name} holds {column.null_count} empty values.")
    for described in event_schema().fields:
        if described.type is FieldType.ENUM and table.num_rows:
            highest = pc.max(table.column(described.name)).as_py()
            if highest >= len(described.values):
                raise EventTableError(f"Column {described.name} holds the unknown code {highest}.")


def table_of(rows: Iterable[Mapping[str, FieldValue]]) -> pa.Table:
    """Build a bundle's table from rows that name only the fields that matter.

    Addresses and enums are text, times aware datetimes. Absent fields get the emptiest lawful value; `last`
    follows `time`, `count` is 1, `protocol` is "not said". Raises KeyError on a field that does not exist.
    """
    listed = list(rows)
    known = {f.name for f in event_schema().fields}
    for row in listed:
        if strange := set(row) - known:
            raise KeyError(f"an event has no field {min(strange)!r}")
    arrays = []
    for field in event_schema().fields:
        values = [_value(field, row) for row in listed]
        if field.type is FieldType.NAME:
            arrays.append(pa.array(values, pa.utf8()).dictionary_encode())
        else:
            arrays.append(pa.array(values, _TYPES[field.type]))
    return pa.table(arrays, schema=arrow_schema())


def _value(field: Field, row: Mapping[str, FieldValue]) -> FieldValue:
    if field.name not in row:
        return _absent(field, row)
    value = row[field.name]
    if field.type is FieldType.ENUM and isinstance(value, str):
        return field.values.index(value)
    if field.type is FieldType.ADDRESS and isinstance(value, str):
        return addresses.pack(value) if value else NO_ADDRESS
    if isinstance(value, tuple):
        return list(value)
    return value


def _absent(field: Field, row: Mapping[str, FieldValue]) -> FieldValue:
    if field.nullable:
        return None
    if field.name == "last":
        return row["time"]
    if field.name == "count":
        return 1
    if field.name == "protocol":
        return UNKNOWN_PROTOCOL
    match field.type:
        case FieldType.TIME:
            return datetime(1970, 1, 1, tzinfo=UTC)
        case FieldType.NAME | FieldType.TEXT:
            return ""
        case FieldType.TEXTS:
            return []
        case FieldType.ADDRESS:
            return NO_ADDRESS
        case _:
            return 0
