"""What the scanner raises on purpose; each has a stable code."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError, NotReachableError, RefusedError


class AuthorityError(RefusedError):
    """Consent or proof of control is missing, expired, withdrawn or wrong: nothing may be scanned."""

    code = "scanner.authority"


class TargetRefusedError(RefusedError):
    """The target is written in a way we do not accept, or leads to an address that is never scanned."""

    code = "scanner.target"


class ProbeError(NotReachableError):
    """The other side did not answer, broke off, or spoke something else."""

    code = "scanner.probe"


class FeedError(CyberAlarmError):
    """A vulnerability or fingerprint feed cannot be read; the store in use stays as it was."""

    code = "scanner.feed"


class ResultError(CyberAlarmError):
    """A result file is not one of ours, or of a version that this program does not know."""

    code = "scanner.result"
