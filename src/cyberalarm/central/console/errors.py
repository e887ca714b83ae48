"""What can go wrong in the console."""

from __future__ import annotations

from cyberalarm.core.errors import RefusedError


class DecisionRefusedError(RefusedError):
    """A sign-up cannot be decided by this person, or not any more."""

    code = "decision-refused"


class JudgementRefusedError(RefusedError):
    """A finding cannot get this status from the one it has."""

    code = "judgement-refused"
