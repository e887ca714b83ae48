"""The `<PRI>` of a syslog line: facility × 8 + severity (RFC 3164 4.1.1)."""

from __future__ import annotations

KERNEL = 0
MAIL = 2
DAEMON = 3
LOCAL0 = 16
LOCAL4 = 20
LOCAL5 = 21
LOCAL6 = 22
LOCAL7 = 23

ALERT = 1
CRITICAL = 2
ERROR = 3
WARNING = 4
NOTICE = 5
INFORMATION = 6


def pri(facility: int, severity: int) -> str:
    return f"<{facility * 8 + severity}>"
