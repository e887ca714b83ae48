"""What can be wrong with a detection rule. Messages name the file and the key."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError


class RuleError(CyberAlarmError):
    """A rule file is not a lawful rule."""

    code = "detection-rule"


class UnknownRuleError(RuleError):
    """There is no rule of that name."""

    code = "detection-rule-unknown"
