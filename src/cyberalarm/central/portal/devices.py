"""The devices behind a member's collectors: what became of their lines, in the last day, the last month and ever.

A few queries for any number of collectors; nothing beyond those that are given is read.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Sum

from cyberalarm.central.alarms.rules import is_resting
from cyberalarm.central.guides import services as guides
from cyberalarm.central.ingest.models import LedgerSpan, LedgerTotal
from cyberalarm.central.ingest.totals import OTHER_DEVICES
from cyberalarm.central.members.models import Device
from cyberalarm.central.portal.status import recognised
from cyberalarm.core.outcome import OUTCOMES, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cyberalarm.central.members.naming import Names

_DAY, _MONTH = timedelta(hours=24), timedelta(days=30)
_Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device. `key` is the number of its row, which stands in its page's address; a reference may hold any sign.

    `lines` is when its newest lines came. A listening port of the collector, at which the operating system dropped datagrams, has
    a row as well: nobody knows whose they were.
    """

    key: int
    reference: str
    name: str
    product: str  # as people call it; its pack's name where we have none of that name
    pack: str
    first: datetime
    lines: datetime | None
    rests_since: datetime | None
    day: Ledger
    month: Ledger
    ever: Ledger

    @property
    def label(self) -> str:
        return f"{self.name} ({self.reference})" if self.name else self.reference

    @property
    def is_listener(self) -> bool:
        return not self.ever.received and bool(self.ever.dropped_by_kernel)

    @property
    def is_device(self) -> bool:
        """One that can be named and watched: neither a listening port nor the sum of what is too much to tell apart."""
        return not self.is_listener and self.reference != OTHER_DEVICES

    @property
    def recognised(self) -> float | None:
        """Share of its lines of the last day that were recognised, 0 to 1; None where there were none."""
        return recognised(self.day) / self.day.received if self.day.received else None


@dataclass(slots=True)
class _Spans:
    day: Ledger = field(default_factory=Ledger)
    month: Ledger = field(default_factory=Ledger)


def devices_of(collectors: Iterable[int], names: Names, now: datetime) -> dict[int, tuple[DeviceView, ...]]:
    """The devices of each of these collectors, those that sent last first."""
    wanted = list(collectors)
    spans = _spans(wanted, now)
    resting_rows = Device.objects.filter(collector__in=wanted, rests_since__isnull=False)
    rests = {
        (one, reference): since
        for one, reference, since in resting_rows.values_list("collector", "reference", "rests_since")
    }
    found: dict[int, list[DeviceView]] = defaultdict(list)
    for total in LedgerTotal.objects.filter(collector__in=wanted).order_by("-last_received", "device"):
        key = (total.collector_id, total.device)
        lines = total.last_lines or (total.last_received if total.received else None)
        resting = rests.get(key)
        found[total.collector_id].append(
            DeviceView(
                key=total.pk,
                reference=total.device,
                name=names.get(key, ""),
                product=guide.title if (guide := guides.device(total.product or "")) else total.product or "",
                pack=total.product or "",
                first=total.first_received,
                lines=lines,
                rests_since=resting if is_resting(resting, lines) else None,
                day=spans[key].day,
                month=spans[key].month,
                ever=total.ledger(),
            )
        )
    return {one: tuple(found[one]) for one in wanted}


def _spans(collectors: list[int], now: datetime) -> Mapping[_Key, _Spans]:
    """The last 24 hours and the one under way; the last 30 days (UTC) and the one under way."""
    found: dict[_Key, _Spans] = defaultdict(_Spans)
    hour = now.replace(minute=0, second=0, microsecond=0)
    columns = [str(outcome) for outcome in OUTCOMES]
    for hours, start in ((1, hour - _DAY), (24, hour.replace(hour=0) - _MONTH)):
        rows = (
            LedgerSpan.objects.filter(collector__in=collectors, hours=hours, start__gte=start)
            .order_by()
            .values_list("collector", "device")
            .annotate(*(Sum(name) for name in ("received", "dropped_by_kernel", "recalled", *columns)))
        )
        for collector, device, received, dropped, recalled, *counts in rows:
            ledger = Ledger(received, dict(zip(OUTCOMES, counts, strict=True)), dropped, recalled)
            spans = found[collector, device]
            if hours == 1:
                spans.day = ledger
            else:
                spans.month = ledger
    return found


def together(devices: Iterable[DeviceView]) -> Ledger:
    """The last day of several devices as one."""
    whole = Ledger()
    for device in devices:
        whole.merge(device.day)
    return whole
