"""Is a port tried by more sources than usual? Pure.

With a month of history, GreyNoise's published rule: the day's distinct sources exceed the median plus twice
the interquartile range of the days before, and the mean of the 28 days before plus two standard deviations.
With less, a plain ratio to the mean of the days there are; what comes out says which of the two spoke.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import mean, quantiles, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HISTORY_DAYS = 28
# Fewer days than this say nothing about what is usual.
LEAST_DAYS = 3
# Without a month of history only a plain excess counts.
RATIO = 3.0


class Basis(StrEnum):
    HISTORY = "history"  # median, interquartile range, mean and deviation of the days before
    RATIO = "ratio"  # so many times the mean of the few days before


@dataclass(frozen=True, slots=True)
class Rise:
    """How far a day lies above what is usual. `usual` is the mean of the days before."""

    basis: Basis
    sources: int
    usual: float
    days: int


def rise(sources: int, before: Sequence[int]) -> Rise | None:
    """Judge a day's distinct sources by the days before it, oldest first; None when it is not rising.

    `before` holds a 0 for each day on which others saw something and this port nobody.
    """
    days = len(before)
    if days < LEAST_DAYS:
        return None
    recent = list(before[-HISTORY_DAYS:])
    usual = mean(recent)
    if days < HISTORY_DAYS:
        return Rise(Basis.RATIO, sources, usual, days) if sources >= RATIO * max(usual, 1.0) else None
    low, median, high = quantiles(before, n=4, method="inclusive")
    unusual = sources > median + 2 * (high - low) and sources > usual + 2 * stdev(recent)
    return Rise(Basis.HISTORY, sources, usual, days) if unusual else None
