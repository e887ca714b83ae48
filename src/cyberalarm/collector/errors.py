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
    """The spool has reached its bound, or the disk has (`spool-unwritable`). Nothing was taken, so nothing is lost."""

    code = "spool-full"


class SpoolDamagedError(CyberAlarmError):
    """A file in the spool is not what was written there."""

    code = "spool-damaged"


class CopyMissingError(CyberAlarmError):
    """No copy of what was sent is kept of this bundle."""

    code = "copy-missing"


class ChainBrokenError(CyberAlarmError):
    """What waits in the spool does not follow what the centre has, so the centre cannot take it."""

    code = "chain-broken"


class ReceiptRefusedError(CyberAlarmError):
    """What came back as a receipt is not the centre's receipt for the envelope that was sent."""

    code = "receipt-other"


class PartFailedError(CyberAlarmError):
    """A thread of the collector has ended that never should: a defect. The service manager starts the collector anew."""

    code = "part-failed"


class CentreUnreachableError(NotReachableError):
    """No answer from the centre, or one that asks to come back later. `wait` is how long, in seconds, if it said."""

    code = "centre-unreachable"

    def __init__(self, what: str, *, next_step: str = "", wait: float | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.wait = wait


class OtherCertificateError(CentreUnreachableError):
    """What answers in the centre's place shows a certificate that is not known here. Nothing was sent to it."""


class CentreRefusedError(RefusedError):
    """The centre said no, with one of the codes in docs/collector-api.md."""

    def __init__(self, code: str, detail: str, *, expected: int | None = None) -> None:
        super().__init__(detail, code=code)
        self.expected = expected
