"""One device as drift sees it: the open window, what is usual, and the alarms that stand.

Pure: every time is given. Memory is bounded: `MOST_PRODUCTS` products, and the fields of the event schema for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm.collector.drift.rate import Limits, Rate, judge_presence, judge_share
from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.core.schema import event_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_PRODUCTS = 8  # behind one address; further ones are not watched
# What every event has, and what the collector itself adds.
_GIVEN = {"time", "last", "count", "sensor", "product", "device", "direction", "evidence", "category", "severity"}
WATCHED = tuple(one.name for one in event_schema().fields if one.name not in _GIVEN)
_NOTHING = ("unknown", "")
_FORTNIGHT = 14 * 86_400


@dataclass(slots=True)
class Product:
    """Events of one product in the open window: how many, and how many had each field."""

    events: int = 0
    had: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Rate] = field(default_factory=dict)
    began: float = 0.0

    def add(self, event: Mapping[str, object]) -> None:
        self.events += 1
        for name in WATCHED:
            if event.get(name, "") not in _NOTHING:
                self.had[name] = self.had.get(name, 0) + 1

    def close(self, now: float, limits: Limits) -> None:
        """Judge what was gathered, if it is enough."""
        if self.events < limits.least:
            return
        for name in {*self.had, *self.fields}:
            rate = self.fields.setdefault(name, Rate())
            judge_presence(rate, self.had.get(name, 0), self.events, self.began, now, limits)
        self.events, self.had = 0, {}


@dataclass(slots=True)
class Device:
    """`first` and `last` are when it was heard, `gap` its longest silence of late, `silent` since when it is silent, 0: it is not.

    `lines`, `known` and `own` (of the known ones: by a product's own pack) are of the window that is open since `began`.
    """

    first: float
    last: float
    began: float
    gap: float = 0.0
    silent: float = 0.0
    lines: int = 0
    known: int = 0
    own: int = 0
    share: Rate = field(default_factory=Rate)
    own_share: Rate = field(default_factory=Rate)
    products: dict[str, Product] = field(default_factory=dict)

    @classmethod
    def new(cls, now: float) -> Device:
        return cls(now, now, now)

    def hear(self, own: int, known: int, lines: int, now: float, limits: Limits) -> None:
        """Lines have arrived, so many of which a pack understands, and so many of them a product's own."""
        self.close_if_due(now, limits)
        self.gap = max(self.gap, now - self.last)
        self.last = now
        self.silent = 0.0
        if not self.lines:
            self.began = now
        self.lines += lines
        self.known += known
        self.own += own

    def hear_event(self, name: str, event: Mapping[str, object], now: float) -> None:
        """One of them as an event of the product of that name."""
        product = self.products.get(name)
        if product is None:
            if len(self.products) >= MOST_PRODUCTS:
                return
            product = self.products[name] = Product()
        if not product.events:
            product.began = now
        product.add(event)

    def close_if_due(self, now: float, limits: Limits) -> None:
        """Judge the window when it has lasted long enough; one with too few lines stays open.

        A clock that went back begins a new window.
        """
        if now < self.began or now < self.last:
            self.resume(now)
        if now - self.began >= limits.window_s and self.lines >= limits.least:
            judge_share(self.share, self.known, self.lines, self.began, now, limits)
            judge_share(self.own_share, self.own, self.lines, self.began, now, limits)
            self.gap *= max(0.0, 1 - (now - self.began) / _FORTNIGHT)
            self.lines = self.known = self.own = 0
        for product in self.products.values():
            if now - product.began >= limits.window_s:
                product.close(now, limits)

    def listen(self, now: float, limits: Limits) -> None:
        """Time passes: close what is due, and notice silence."""
        self.close_if_due(now, limits)
        usual = max(limits.silence_s, limits.silence_factor * self.gap)
        known_well = self.last - self.first >= limits.heard_s and self.share.learnt(limits)
        if not self.silent and known_well and now - self.last > usual:
            self.silent = max(self.last, 1.0)

    def resume(self, now: float) -> None:
        """The collector was not there for a while: that was not the device's silence, and its open window is too old."""
        self.last = self.began = now
        self.lines = self.known = self.own = 0
        for product in self.products.values():
            product.events, product.had = 0, {}

    def lacks(self, name: str, event: Mapping[str, object]) -> bool:
        """Is this an event of the product that lacks a field which is said to be missing?"""
        product = self.products.get(name)
        missing = (at for at, rate in product.fields.items() if rate.stands) if product else ()
        return any(event.get(at, "") in _NOTHING for at in missing)

    def alarms(self, name: str) -> Iterator[Alarm]:
        if self.share.stands:
            yield _alarm(name, AlarmKind.NOT_RECOGNISED, self.share)
        elif self.own_share.stands:  # it falls with the other, and says no more then
            yield _alarm(name, AlarmKind.GENERIC_ONLY, self.own_share)
        for product, held in self.products.items():
            for at, rate in held.fields.items():
                if rate.stands:
                    yield _alarm(name, AlarmKind.FIELD_MISSING, rate, product, at)
        if self.silent:
            yield Alarm(name, AlarmKind.SILENT, "", "", int(self.silent * 1000), 0, 0)


def _alarm(device: str, kind: AlarmKind, rate: Rate, product: str = "", at: str = "") -> Alarm:
    since = int(rate.since * 1000)
    return Alarm(device, kind, product, at, since, round(rate.mean * 1000), round(rate.now * 1000))
