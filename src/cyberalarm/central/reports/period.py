"""A span of whole days, as people in the UK count them.

Days begin at midnight in London, so a day in October has 25 hours and one in March has 23. Pure: the clock is
an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")

# The longest period that one report may cover: a leap year.
LONGEST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Period:
    """From the first day to the last, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if not 1 <= self.length <= LONGEST_DAYS:
            raise ValueError(f"a period covers 1 to {LONGEST_DAYS} days, not {self.length}")

    @classmethod
    def ending(cls, last: date, days: int = 7) -> Period:
        return cls(last - timedelta(days=days - 1), last)

    @classmethod
    def last_week(cls, made_at: datetime) -> Period:
        """The seven whole days before the day on which a report is made."""
        return cls.ending(made_at.astimezone(LONDON).date() - timedelta(days=1))

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """The first moment that belongs to the period, in UTC."""
        return datetime.combine(self.first, time.min, LONDON).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first moment after the period, in UTC."""
        return datetime.combine(self.last + timedelta(days=1), time.min, LONDON).astimezone(UTC)

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.first + timedelta(days=n) for n in range(self.length))

    @property
    def previous(self) -> Period:
        """The period of the same length just before."""
        return Period.ending(self.first - timedelta(days=1), self.length)

    @property
    def noun(self) -> str:
        """What people call a span of this length."""
        return {1: "day", 7: "week"}.get(self.length, f"{self.length} days")

    @property
    def words(self) -> str:
        """The period as a person writes it, such as "9 to 15 November 2026"."""
        first, last = self.first, self.last
        end = f"{last.day} {last:%B %Y}"
        if first == last:
            return end
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} to {end}"
        if first.year == last.year:
            return f"{first.day} {first:%B} to {end}"
        return f"{first.day} {first:%B %Y} to {end}"
