"""The ledgers of every device added up: for ever, and by hour and day.

Invariants:
- a collector has at most `MOST_DEVICES` totals, and one more for all other devices
- a total that is full stays as it is, so that no number of lies makes one that no column holds
- writing reads nothing; called by the writer's thread alone, within its transaction
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Count, Q

from cyberalarm.central.ingest.models import LedgerSpan, LedgerTotal
from cyberalarm.core.outcome import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db import models

    from cyberalarm.central.ingest.bundles import Bundle

# Totals of one collector; a member has a handful of devices. Rows and envelopes keep the names that they came with.
MOST_DEVICES = 4_096
OTHER_DEVICES = "d-others"  # where what comes beyond is counted; no name that a collector makes has this form
# A total that reached this grows no more. A bundle adds at most 2^40 (`checks.MOST_LINES`), so 64 bits hold it.
_FULL = 2**62
# Hours are for the last day, with one to spare for the hour that is under way; days are for thirty of them.
HOURS_KEPT, DAYS_KEPT = timedelta(hours=26), timedelta(days=32)

Sums = dict[tuple[int, str], Ledger]


def sums(accepted: Sequence[Bundle]) -> Sums:
    """The ledgers of a group, added up by collector and device, or by collector alone beyond the bound."""
    known = _known_where_full(accepted)
    found: Sums = {}
    for bundle in accepted:
        names = known.get(bundle.collector)
        for device, ledger in bundle.ledgers.items():
            counted = device
            if names is not None and device not in names:
                if len(names) < MOST_DEVICES:
                    names.add(device)
                else:
                    counted = OTHER_DEVICES
            found.setdefault((bundle.collector, counted), Ledger()).merge(ledger)
    return found


def _known_where_full(accepted: Sequence[Bundle]) -> dict[int, set[str]]:
    """The devices of each collector that these bundles could bring beyond the bound; nobody else's are read."""
    most: dict[int, int] = {}
    for bundle in accepted:
        most[bundle.collector] = most.get(bundle.collector, 0) + len(bundle.ledgers)
    had = LedgerTotal.objects.filter(collector__in=most).values_list("collector").annotate(devices=Count("pk"))
    for collector, devices in had.order_by():
        most[collector] += devices
    known: dict[int, set[str]] = {pk: set() for pk, devices in most.items() if devices > MOST_DEVICES}
    for collector, device in (
        LedgerTotal.objects.filter(collector__in=known).order_by().values_list("collector", "device")
    ):
        known[collector].add(device)
    return known


def add_sums(added: Sums, now: datetime) -> None:
    """One statement, run for every device: a new row, or its counts added to the row that is there."""
    at = connection.ops.adapt_datetimefield_value(now)
    rows = [
        (collector, device, *(count for _, count in _counts(ledger)), at, at)
        for (collector, device), ledger in added.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_upsert(LedgerTotal, ("first_received", "last_received"), ("last_received",)), rows)


def add_spans(added: Sums, now: datetime) -> None:
    """The same by the hour and the day that it is now."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    spans = [(1, hour), (24, hour.replace(hour=0))]
    rows = [
        (
            collector,
            device,
            *(count for _, count in _counts(ledger)),
            hours,
            connection.ops.adapt_datetimefield_value(at),
        )
        for (collector, device), ledger in added.items()
        for hours, at in spans
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_upsert(LedgerSpan, ("hours", "start"), (), ("hours", "start")), rows)


def forget_spans(now: datetime) -> int:
    """Remove hours and days that no page shows any more; gives how many rows those were."""
    old = Q(hours=1, start__lt=now - HOURS_KEPT) | Q(hours=24, start__lt=now - DAYS_KEPT)
    return LedgerSpan.objects.filter(old).delete()[0]


def _counts(ledger: Ledger) -> list[tuple[str, int]]:
    """The counts of a ledger under the names of the columns that hold them, always in the same order."""
    return list(ledger.counts().items())


@cache
def _upsert(
    model: type[models.Model], further: tuple[str, ...], replaced: tuple[str, ...], key: tuple[str, ...] = ()
) -> str:
    """`insert … on conflict` as both SQLite and PostgreSQL know it; they also know `excluded`, the row that was to be."""
    quote, table = connection.ops.quote_name, model._meta.db_table  # noqa: SLF001
    counts = [name for name, _ in _counts(Ledger())]
    columns = ["collector_id", "device", *counts, *further]
    sets = [f"{quote(name)} = excluded.{quote(name)}" for name in replaced]
    for name in counts:
        column = f"{quote(table)}.{quote(name)}"
        guard = f"{quote(table)}.{quote(name if name in ('dropped_by_kernel', 'recalled') else 'received')}"
        grown = f"{column} + excluded.{quote(name)}"
        sets.append(f"{quote(name)} = case when {guard} < {_FULL} then {grown} else {column} end")
    unique = ", ".join(map(quote, ("collector_id", "device", *key)))
    return (
        f"insert into {quote(table)} ({', '.join(map(quote, columns))})"  # noqa: S608 - names of columns, no values
        f" values ({', '.join(['%s'] * len(columns))})"
        f" on conflict ({unique}) do update set {', '.join(sets)}"
    )
