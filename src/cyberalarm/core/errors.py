"""The one root of all errors that CyberAlarm raises on purpose.

Each error says what happened and what a person can do next, and carries a stable code that programs and
documentation may rely on. Codes never change meaning; messages may.
"""

from __future__ import annotations


class CyberAlarmError(Exception):
    """Something a person must know about. `code` is stable, `next_step` says what to do."""

    code = "error"

    def __init__(self, what: str, *, next_step: str = "", code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.what} {self.next_step}".strip()


class ConfigurationError(CyberAlarmError):
    """A configuration file or option is wrong. Names the file and the key."""

    code = "configuration"


class RefusedError(CyberAlarmError):
    """The other side, or a rule, said no for a reason that will not change by itself."""

    code = "refused"


class NotReachableError(CyberAlarmError):
    """The other side could not be reached; trying again later may help."""

    code = "not-reachable"
