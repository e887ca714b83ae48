"""A span of time that questions are asked about: from `start` on, up to but without `end`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Span:
    """Two aware moments, in order. Raises ValueError on anything else."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a span's times need a time zone")
        if self.start >= self.end:
            raise ValueError("a span ends after it starts")

    @property
    def previous(self) -> Span:
        """The span of the same length just before."""
        return Span(self.start - (self.end - self.start), self.start)

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def from_ms(value: int) -> datetime:
    """The moment that milliseconds since 1970 stand for."""
    return datetime.fromtimestamp(value // 1000, UTC) + timedelta(milliseconds=value % 1000)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware moment, cut off to whole ones."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
