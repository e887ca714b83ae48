"""Is this a lawful bundle? Plain functions over values: no clock, no database.

Each refusal is a BundleRefusedError with a code of its own. What passes here fits the event store and the
members' pages: exact columns, no forbidden null, enum codes that exist, bounded clean text, plausible times,
a ledger that balances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cyberalarm.central.events.arrow import arrow_schema
from cyberalarm.central.ingest import arrow_bounds
from cyberalarm.central.ingest.errors import BundleRefusedError
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.core.schema import Field, FieldType, event_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyberalarm.envelope.sealing import Header

EARLIEST = 946_684_800_000  # 2000-01-01 in ms UTC; older times come from devices without a clock
AHEAD = 24 * 3600 * 1000  # ms that a device's clock may be ahead of ours
HIGHEST_SEVERITY = 4
MOST_LINES = 2**40  # in one ledger; 2^23 such envelopes still fit a 64-bit total
_TEXTS = {FieldType.TEXT, FieldType.NAME, FieldType.TEXTS}


def read_events(stream: bytes) -> pa.Table:
    """Unpack a bundle's events, of exactly the event schema. Raises BundleRefusedError."""
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(stream))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BundleRefusedError("The events are not an Arrow stream.", "events-unreadable") from error
    if len(schema) != len(arrow_schema()) or _difference(schema):
        strange = _difference(schema) or "more of them"
        raise BundleRefusedError(f"The events have other columns than this centre knows: {strange}.", "events-schema")
    arrow_bounds.extent(stream)
    try:
        table = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BundleRefusedError("The events are damaged.", "events-unreadable") from error
    columns = [column.cast(field.type) for column, field in zip(table.columns, arrow_schema(), strict=True)]
    return pa.table(columns, schema=arrow_schema())


def _difference(schema: pa.Schema) -> str:
    """The first of our columns that is missing or different. Never decodes the stranger's own names."""
    for at, field in enumerate(arrow_schema()):
        if at >= len(schema) or not _same(schema.field(at), field):
            return str(field.name)
    return ""


def _same(found: pa.Field, wanted: pa.Field) -> bool:
    """Whether a field is the wanted one; a list may promise more than we ask, that no item is empty."""
    if pa.types.is_list(wanted.type) and pa.types.is_list(found.type):
        as_declared = pa.list_(wanted.type.value_field.with_nullable(found.type.value_field.nullable))
        wanted = wanted.with_type(as_declared)
    return bool(found.equals(wanted))


def check_events(table: pa.Table, now: int) -> None:
    """Every value is one that a collector may send; `now` is ms UTC. Raises BundleRefusedError."""
    for field in event_schema().fields:
        column = table.column(field.name)
        if column.null_count and not field.nullable:
            raise BundleRefusedError(f"Column {field.name} has empty values.", "events-empty-value")
        if not table.num_rows:
            continue
        if field.type is FieldType.ENUM and pc.max(column).as_py() >= len(field.values):
            raise BundleRefusedError(f"Column {field.name} has an unknown code.", "events-enum")
        if field.type in _TEXTS:
            _check_text(field, column)
    if table.num_rows:
        _check_times(table, now)
        if pc.min(table.column("count")).as_py() < 1:
            raise BundleRefusedError("A row stands for no line.", "events-count")
        if pc.max(table.column("severity")).as_py() > HIGHEST_SEVERITY:
            raise BundleRefusedError(f"A severity is above {HIGHEST_SEVERITY}.", "events-severity")


def _check_times(table: pa.Table, now: int) -> None:
    first = table.column("time").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    last = table.column("last").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    if first.min() < EARLIEST or last.max() > now + AHEAD or bool((last < first).any()):
        raise BundleRefusedError(
            "A time is before 2000, more than a day ahead, or ends before it begins.", "events-time"
        )


def _check_text(field: Field, column: pa.ChunkedArray) -> None:
    for chunk in column.chunks:
        values = chunk
        if field.type is FieldType.NAME:
            if chunk.dictionary.null_count:
                raise BundleRefusedError(f"Column {field.name} has empty values.", "events-empty-value")
            values = chunk.dictionary
        if field.type is FieldType.TEXTS:
            if len(chunk) and pc.max(pc.list_value_length(chunk)).as_py() > field.max_items:
                raise BundleRefusedError(f"Column {field.name} has too many values.", "events-text")
            values = chunk.flatten()
            if values.null_count:
                raise BundleRefusedError(f"Column {field.name} has empty values.", "events-empty-value")
        longest = pc.max(pc.binary_length(values)).as_py() if len(values) else None
        if longest is not None and longest > field.max_bytes:
            raise BundleRefusedError(f"Column {field.name} has text that is too long.", "events-text")
        if _has_control_characters(values):
            raise BundleRefusedError(f"Column {field.name} has control characters.", "events-text")


def _has_control_characters(values: pa.Array) -> bool:
    """Whether any text has a character of Unicode's class Cc: C0, delete, C1 (C2 80 to C2 9F in UTF-8)."""
    _, offsets, text = values.buffers()
    if text is None or not len(values):
        return False
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    raw = np.frombuffer(text, np.uint8)[ends[0] : ends[-1]]
    if bool(((raw < 0x20) | (raw == 0x7F)).any()):
        return True
    return bool(((raw[:-1] == 0xC2) & (raw[1:] < 0xA0)).any())


def check_ledgers(ledgers: Mapping[str, Ledger], header: Header, table: pa.Table) -> None:
    """The ledgers balance, and agree with the header and the rows. Raises BundleRefusedError."""
    for ledger in ledgers.values():
        if max(ledger.received, ledger.dropped_by_kernel) > MOST_LINES:
            raise BundleRefusedError("A ledger counts more lines than there can be.", "ledger-implausible")
        if not ledger.balanced:
            raise BundleRefusedError("A device's ledger does not add up.", "ledger-unbalanced")
    kept = sum(ledger.outcomes[Outcome.KEPT] for ledger in ledgers.values())
    counted = pc.sum(table.column("count")).as_py() or 0
    if counted != kept:
        raise BundleRefusedError(
            f"The rows stand for {counted} lines, but the ledgers kept {kept}.", "ledger-unbalanced"
        )
    lines = sum(ledger.received for ledger in ledgers.values())
    if header.events != table.num_rows or header.lines != lines:
        raise BundleRefusedError(
            "The header's numbers of events and lines are not those of the bundle.", "header-mismatch"
        )
