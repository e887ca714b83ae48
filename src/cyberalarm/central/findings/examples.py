"""Turns the examples that rules ship with into events, for tests and for trying a rule out. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pyarrow as pa

from cyberalarm.central.events.arrow import FieldValue, Origin, table_of, with_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rule import Example, ExampleRow

# Each of an example's members is of another force, so that rules over the network see several.
_PLACES = (("kent", "south-east"), ("cleveland", "north-east"), ("cheshire", "north-west"))


def events_of(example: Example, start: datetime) -> pa.Table:
    """The example's rows as stored events, the first at `start`; members are numbered from 1."""
    by_member: dict[int, list[dict[str, FieldValue]]] = {}
    for rows in example.rows:
        for member in range(rows.member, rows.member + rows.members):
            by_member.setdefault(member, []).extend(_spread(rows, start))
    tables = []
    for member, listed in by_member.items():
        force, region = _PLACES[member % len(_PLACES)]
        tables.append(with_origin(table_of(listed), Origin(member, member, 1, force, region, start)))
    return pa.concat_tables(tables)


def _spread(rows: ExampleRow, start: datetime) -> Iterator[dict[str, FieldValue]]:
    for at in range(rows.repeat):
        event: dict[str, FieldValue] = {"time": start + rows.after + at * rows.every, **rows.fields}
        for field, step in rows.vary.items():
            event[field] = _stepped(event[field], at * step)
        yield event


def _stepped(value: FieldValue, by: int) -> FieldValue:
    if isinstance(value, int):
        return value + by
    if isinstance(value, str):
        return str(ip_address(value) + by)
    raise TypeError("only numbers and addresses can grow by steps")


def length_of(example: Example) -> timedelta:
    """From the example's first event to a little after its last."""
    return max(r.after + r.repeat * r.every for r in example.rows) + timedelta(minutes=2)
