"""Is this a lawful bundle? Plain functions over values: no clock, no database.

Each refusal is a BundleRefusedError with a code of its own. What passes here fits the event store and the
members' pages: exact columns, no forbidden null, enum codes that exist, bounded clean text, plausible times,
a ledger that balances.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cyberalarm.central.events.arrow import arrow_schema
from cyberalarm.central.ingest import arrow_bounds
from cyberalarm.central.ingest.errors import BundleRefusedError
from cyberalarm.core.schema import Field, FieldType, event_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cyberalarm.core.outcome import Ledger
    from cyberalarm.envelope.sealing import Header

EARLIEST = 946_684_800_000  # 2000-01-01 in ms UTC; older times come from devices without a clock
AHEAD = 24 * 3600 * 1000  # ms that a device's clock may be ahead of ours
HIGHEST_SEVERITY = 4
MOST_LINES = 2**40  # in all ledgers of a bundle
# Each month is a partition that an insert touches; ten years hold every archive that a member would replay in one go.
MOST_MONTHS = 120
_TEXTS = {FieldType.TEXT, FieldType.NAME, FieldType.TEXTS}
# Characters that no text may have, first and last of each range: what the kernel takes out of every text (`unwanted` in
# kernel/src/value.rs). Classes Cc, Zl and Zp, and of Cf the marks that hide or reverse what stands around them.
UNWANTED: tuple[tuple[int, int], ...] = (
    (0x00, 0x1F),
    (0x7F, 0x9F),
    (0x61C, 0x61C),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
)
_SLICE = 1024 * 1024  # bytes of text looked at together: fits a processor's cache, and bounds the copies


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
    months = np.unique(first.astype("datetime64[ms]").astype("datetime64[M]"))
    if len(months) > MOST_MONTHS:
        raise BundleRefusedError(f"The events are of more than {MOST_MONTHS} different months.", "events-time")


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
        if _has_unwanted_characters(values):
            raise BundleRefusedError(f"Column {field.name} has control or invisible characters.", "events-text")


def _has_unwanted_characters(values: pa.Array) -> bool:
    """Whether any text has a character of `UNWANTED`. The texts are known to be UTF-8."""
    _, offsets, text = values.buffers()
    if text is None or not len(values):
        return False
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    raw = np.frombuffer(text, np.uint8)[ends[0] : ends[-1]]
    # Two bytes more than a slice, so that a character of three bytes is whole in one of them.
    return any(_shows_unwanted(raw[at : at + _SLICE + 2]) for at in range(0, len(raw), _SLICE))


def _shows_unwanted(part: NDArray[np.uint8]) -> bool:
    if bool(((part < 0x20) | (part == 0x7F)).any()):
        return True
    if part.max() < 0x80:
        return False
    return any(_occurs(part, begin, low, high) for begin, low, high in _patterns())


def _occurs(part: NDArray[np.uint8], begin: bytes, low: int, high: int) -> bool:
    """Whether a byte from `low` to `high` follows the bytes `begin`."""
    found = (part[len(begin) :] >= low) & (part[len(begin) :] <= high)
    for at, byte in enumerate(begin):
        found &= part[at : at + len(found)] == byte
    return bool(found.any())


@cache
def _patterns() -> tuple[tuple[bytes, int, int], ...]:
    """`UNWANTED` beyond ASCII as it is in UTF-8: the first bytes, and the range of the last one."""
    patterns = []
    for first, last in UNWANTED:
        if last > 0x7F:
            low, high = chr(max(first, 0x80)).encode(), chr(last).encode()
            if low[:-1] != high[:-1]:
                raise ValueError(f"a range that needs two patterns: U+{first:04X}")
            patterns.append((low[:-1], low[-1], high[-1]))
    return tuple(patterns)


def check_ledgers(ledgers: Mapping[str, Ledger], header: Header, table: pa.Table) -> None:
    """The ledgers balance, and agree with the header and the rows. Raises BundleRefusedError."""
    if sum(max(ledger.received, ledger.dropped_by_kernel, ledger.recalled) for ledger in ledgers.values()) > MOST_LINES:
        raise BundleRefusedError("The ledgers count more lines than there can be.", "ledger-implausible")
    if not all(ledger.balanced for ledger in ledgers.values()):
        raise BundleRefusedError("A device's ledger does not add up.", "ledger-unbalanced")
    sent = sum(ledger.sent for ledger in ledgers.values())
    counted = pc.sum(table.column("count")).as_py() or 0
    if counted != sent:
        raise BundleRefusedError(
            f"The rows stand for {counted} lines, but the ledgers kept {sent}.", "ledger-unbalanced"
        )
    lines = sum(ledger.received for ledger in ledgers.values())
    if header.events != table.num_rows or header.lines != lines:
        raise BundleRefusedError(
            "The header's numbers of events and lines are not those of the bundle.", "header-mismatch"
        )
