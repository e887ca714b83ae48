"""Why a collector may not enrol or speak. Codes are listed in docs/collector-api.md."""

from __future__ import annotations

from cyberalarm.core.errors import RefusedError


class EnrolmentRefusedError(RefusedError):
    """A collector may not enrol."""

    code = "enrolment-refused"


class MemberNotApprovedError(EnrolmentRefusedError):
    code = "member-not-approved"


class TokenUnknownError(EnrolmentRefusedError):
    code = "token-unknown"


class TokenExpiredError(EnrolmentRefusedError):
    code = "token-expired"


class TokenUsedError(EnrolmentRefusedError):
    code = "token-used"


class CollectorRevokedError(RefusedError):
    code = "collector-revoked"


class CollectorStoppedError(RefusedError):
    code = "collector-stopped"


class CollectorUnknownError(RefusedError):
    code = "collector-unknown"


class KeyChangeRefusedError(RefusedError):
    """A collector may not be known by this key, or not from this envelope on."""

    code = "key-change-refused"


class ActRefusedError(RefusedError):
    """A collector or a membership cannot be changed like this in the state it is in."""

    code = "act-refused"
