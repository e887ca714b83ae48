"""How activity rises and falls over a day and a week; the mean over a week is about one."""

from __future__ import annotations

import math
from enum import Enum

from cyberalarm.lab.clock import MILLISECONDS_AN_HOUR

# Share of a working day's activity per hour, UTC; roughly what an office's firewall shows.
_OFFICE = (3, 2, 2, 2, 3, 5, 12, 30, 75, 100, 100, 95, 85, 90, 95, 90, 75, 50, 30, 22, 18, 14, 9, 5)
_OFFICE_MEAN = sum(_OFFICE) / 24
_WEEKEND = 0.15
_WEEK = (5 + 2 * _WEEKEND) / 7


class Curve(Enum):
    FLAT = "flat"
    INTERNET = "internet"
    OFFICE = "office"

    def at(self, when: int) -> float:
        """The factor for the hour that begins at `when` (ms UTC)."""
        hours = when // MILLISECONDS_AN_HOUR
        hour = hours % 24
        if self is Curve.FLAT:
            return 1.0
        if self is Curve.INTERNET:
            # noise from the Internet swings gently, highest in the European afternoon
            return 1 + 0.25 * math.sin((hour - 8) / 24 * 2 * math.pi)
        # 1970-01-01 was a Thursday
        weekday = (hours // 24 + 3) % 7
        return _OFFICE[hour] / _OFFICE_MEAN * (_WEEKEND if weekday >= 5 else 1.0) / _WEEK
