"""What people say about a finding: seen, done with, or open again.

Invariants: each change and its audit row happen together; a finding that is part of another is not judged. The
detection runner keeps what people said, except that it opens a closed finding again which goes on.

Whether a person may is decided by the caller (`accounts.services.may_act_for`, `may_acknowledge`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.console.errors import JudgementRefusedError
from cyberalarm.central.findings.models import Finding

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User
    from cyberalarm.core.places import Scope

_Status = Finding.Status

# From a status: what may follow, with the words of its button.
POLICE_ACTS: dict[str, tuple[tuple[str, str], ...]] = {
    _Status.OPEN: ((_Status.ACKNOWLEDGED.value, "Acknowledge"), (_Status.CLOSED.value, "Close")),
    _Status.ACKNOWLEDGED: ((_Status.CLOSED.value, "Close"), (_Status.OPEN.value, "Open again")),
    _Status.CLOSED: ((_Status.OPEN.value, "Open again"),),
}
MEMBER_ACTS: dict[str, tuple[tuple[str, str], ...]] = {
    _Status.OPEN: ((_Status.ACKNOWLEDGED.value, "We have seen this"),),
}
_RECORDED = {
    _Status.OPEN: Action.FINDING_REOPENED,
    _Status.ACKNOWLEDGED: Action.FINDING_ACKNOWLEDGED,
    _Status.CLOSED: Action.FINDING_CLOSED,
}


def finding_in(scope: Scope, key: int) -> Finding | None:
    """The finding of this number, if the scope holds it."""
    rows = Finding.objects.all().within(scope).filter(merged_into__isnull=True).select_related("member")
    return rows.filter(pk=key).first()


def judge(finding: Finding, status: Finding.Status, by: User | None) -> Finding:
    """Give a finding another status, as police may. Raises JudgementRefusedError."""
    return _judge(finding, status, by, POLICE_ACTS)


def acknowledge(finding: Finding, by: User) -> Finding:
    """Note that the member has seen it. Raises JudgementRefusedError."""
    return _judge(finding, _Status.ACKNOWLEDGED, by, MEMBER_ACTS)


def _judge(
    finding: Finding, status: Finding.Status, by: User | None, allowed: dict[str, tuple[tuple[str, str], ...]]
) -> Finding:
    with transaction.atomic():
        fresh = Finding.objects.select_for_update().get(pk=finding.pk)
        if status not in [value for value, _ in allowed.get(fresh.status, ())]:
            raise JudgementRefusedError(
                f"The finding is {_Status(fresh.status).label.lower()} already or cannot become"
                f" {_Status(status).label.lower()}.",
                next_step="Load the page again.",
            )
        fresh.status = status
        fresh.save(update_fields=["status"])
        record(by, _RECORDED[status], f"finding:{fresh.pk}")
    return fresh
