"""What can go wrong at a collector, each with a stable code and the next step for a person."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError, NotReachableError, RefusedError


class NotEnrolledError(CyberAlarmError):
    """There is no identity yet."""

    code = "not-enrolled"


class BusyFolderError(CyberAlarmError):
    """Another collector process works on the same data folder."""

    code = "folder-busy"


class SpoolFullError(CyberAlarmError):
    """The spool has reached its bound; nothing more is taken until the centre receipts some of it."""

    code = "spool-full"


class SpoolDamagedError(CyberAlarmError):
    """A file in the spool is not what was written there."""

    code = "spool-damaged"


class CentreUnreachableError(NotReachableError):
    """No answer from the centre, or one that asks to come back later. `wait` is how long, in seconds, if it said."""

    code = "centre-unreachable"

    def __init__(self, what: str, *, next_step: str = "", wait: float | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.wait = wait


class CentreRefusedError(RefusedError):
    """The centre said no, with one of the codes in docs/collector-api.md."""

    def __init__(self, code: str, detail: str, *, expected: int | None = None) -> None:
        super().__init__(detail, code=code)
        self.expected = expected
