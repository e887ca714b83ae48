"""When each device was heard, what it is, and how its clock goes: what the alarms of silence and of clocks are judged by.

`heard` looks at a bundle's events, before it waits to be stored; `note_heard` writes, in the writer's transaction. A device's
time is that of the envelope that brought its lines: sealed by the collector, told in the centre's time. So a collector that
was cut off and delivers late makes no device seem to have been silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
from django.db import connection

from cyberalarm.central.ingest.models import LedgerTotal, Pause
from cyberalarm.central.ingest.totals import OTHER_DEVICES
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cyberalarm.central.ingest.bundles import Bundle

# Half of the shortest silence that is told: what is shorter changes no alarm.
LEAST_PAUSE = timedelta(minutes=7, seconds=30)
# A device's clock that is off by no more is right enough; one that is off by more than a day is no clock but old lines.
MOST_SKEW, REPLAYED = 300, 86_400
# SQLite takes at most 32,766 values in one statement; this leaves room.
_AT_ONCE = 5_000
_UNREAD = (Outcome.UNRECOGNISED, Outcome.MALFORMED, Outcome.OVERFLOW)


@dataclass(frozen=True, slots=True)
class Heard:
    """Of one device's events in a bundle: the product of most of them, and the newest time that they tell, ms UTC."""

    product: str
    newest: int


def heard(events: pa.Table) -> dict[str, Heard]:
    """What a bundle's events say of its devices."""
    if not events.num_rows:
        return {}
    few = events.select(["device", "product", "last"]).unify_dictionaries().combine_chunks()
    devices, products = few.column("device").chunk(0), few.column("product").chunk(0)
    # By the numbers of the dictionaries' entries, which are compared far quicker than texts.
    numbered = {"device": devices.indices, "product": products.indices, "last": few.column("last").cast(pa.int64())}
    grouped = pa.table(numbered).group_by(["device", "product"]).aggregate([("last", "max"), ("last", "count")])
    found: dict[str, tuple[int, Heard]] = {}
    for row in grouped.to_pylist():
        device = devices.dictionary[row["device"]].as_py()
        one = Heard(products.dictionary[row["product"]].as_py(), row["last_max"])
        most, before = found.get(device, (0, one))
        product = max((most, before.product), (row["last_count"], one.product))[1]
        found[device] = (max(most, row["last_count"]), Heard(product, max(before.newest, one.newest)))
    return {device: one for device, (_, one) in found.items()}


def sealed_at(sealed: int, clock_offset: int, now: datetime) -> datetime:
    """When an envelope was sealed (ms by its collector's clock) in the centre's time, and never after now."""
    seconds = min(max(sealed / 1000 - clock_offset, 0), now.timestamp())
    return min(datetime.fromtimestamp(seconds, UTC), now)


def skew_of(newest: int, sealed: int) -> int | None:
    """Seconds by which a device's clock is ahead of its collector's; None where it is right, or where old lines are replayed."""
    seconds = (newest - sealed) // 1000
    return seconds if MOST_SKEW < abs(seconds) < REPLAYED else None


@dataclass(slots=True)
class _Standing:
    """What a device's row says, and will say."""

    lines: datetime | None
    skew: int | None
    skew_since: datetime | None
    product: str | None = None
    recognised: datetime | None = None
    kept: datetime | None = None


_Key = tuple[int, str]


def note_heard(accepted: Sequence[Bundle], now: datetime) -> None:
    """Write down when the devices of these bundles were heard, and which of them had paused."""
    rows = _read(
        {(b.collector, device) for b in accepted for device in b.ledgers}
        - {(b.collector, OTHER_DEVICES) for b in accepted}
    )
    pauses: list[Pause] = []
    for bundle in accepted:
        at = sealed_at(bundle.header.sealed, bundle.clock_offset, now)
        for device, ledger in bundle.ledgers.items():
            row = rows.get((bundle.collector, device))
            if row is None or not ledger.received:
                continue
            if row.lines and at - row.lines > LEAST_PAUSE:
                pauses.append(Pause(collector_id=bundle.collector, device=device, began=row.lines, ended=at))
            _hear(row, ledger, bundle.heard.get(device), bundle.header.sealed, at, now)
    _write(rows)
    Pause.objects.bulk_create(pauses)


def _hear(row: _Standing, ledger: Ledger, one: Heard | None, sealed: int, at: datetime, now: datetime) -> None:
    row.lines = max(row.lines or at, at)
    if ledger.received > sum(ledger.outcomes[outcome] for outcome in _UNREAD):
        row.recognised = row.recognised or now
    if ledger.outcomes[Outcome.KEPT]:
        row.kept = row.kept or now
    if one is not None:
        row.product = one.product
        row.skew = skew_of(one.newest, sealed)
        row.skew_since = (row.skew_since or at) if row.skew is not None else None


def _read(keys: set[_Key]) -> dict[_Key, _Standing]:
    """The rows of these devices. Both lists bound what is read; what belongs to neither pair is left out."""
    collectors = sorted({collector for collector, _ in keys})
    found: dict[_Key, _Standing] = {}
    for devices in _parts({device for _, device in keys}):
        asked = LedgerTotal.objects.filter(collector__in=collectors, device__in=devices).order_by()
        for collector, device, lines, skew, since in asked.values_list(
            "collector", "device", "last_lines", "skew", "skew_since"
        ):
            if (collector, device) in keys:
                found[collector, device] = _Standing(lines, skew, since)
    return found


def _parts(devices: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(sorted(devices))
    while part := list(islice(waiting, _AT_ONCE)):
        yield part


def _write(rows: Mapping[_Key, _Standing]) -> None:
    quote, adapt = connection.ops.quote_name, connection.ops.adapt_datetimefield_value
    statement = (
        f"update {quote(LedgerTotal._meta.db_table)} set last_lines = %s, skew = %s, skew_since = %s,"  # noqa: S608, SLF001 - no values
        " product = coalesce(%s, product), first_recognised = coalesce(first_recognised, %s),"
        " first_kept = coalesce(first_kept, %s) where collector_id = %s and device = %s"
    )
    values = [
        (
            adapt(row.lines), row.skew, adapt(row.skew_since), row.product, adapt(row.recognised), adapt(row.kept),
            collector, device,
        )
        for (collector, device), row in rows.items()
        if row.lines is not None
    ]  # fmt: skip
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(statement, values)
