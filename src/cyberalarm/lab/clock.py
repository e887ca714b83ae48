"""Times as each product writes them, from milliseconds since 1970 UTC.

Lab devices keep their clocks in UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

MILLISECONDS_A_DAY = 86_400_000
MILLISECONDS_AN_HOUR = 3_600_000
MILLISECONDS_A_MINUTE = 60_000


@lru_cache(maxsize=4096)
def _bsd(second: int) -> str:
    t = time.gmtime(second)
    return f"{time.strftime('%b', t)} {t.tm_mday:2d} {time.strftime('%H:%M:%S', t)}"


@lru_cache(maxsize=4096)
def _format(second: int, pattern: str) -> str:
    return time.strftime(pattern, time.gmtime(second))


def bsd(at: int) -> str:
    """RFC 3164: `Mar  5 14:23:45`, no year, no zone."""
    return _bsd(at // 1000)


def cisco(at: int) -> str:
    """`logging timestamp` of ASA: `Mar 05 2026 14:23:45`."""
    return _format(at // 1000, "%b %d %Y %H:%M:%S")


def rfc5424(at: int) -> str:
    """`2026-03-05T14:23:45.123000+00:00`, as rsyslog writes it."""
    return f"{_format(at // 1000, '%Y-%m-%dT%H:%M:%S')}.{at % 1000:03d}000+00:00"


def eve(at: int) -> str:
    """Suricata: `2026-03-05T14:23:45.123000+0000`."""
    return f"{_format(at // 1000, '%Y-%m-%dT%H:%M:%S')}.{at % 1000:03d}000+0000"


def day_and_time(at: int) -> tuple[str, str]:
    """FortiGate's `date` and `time`."""
    return _format(at // 1000, "%Y-%m-%d"), _format(at // 1000, "%H:%M:%S")


def milliseconds(value: datetime) -> int:
    return int(value.timestamp() * 1000)


def instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, tz=UTC)
