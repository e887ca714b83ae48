"""Stopping, resuming and revoking collectors, and ending memberships.

Invariants:
- each act and its audit row happen together or not at all; each has a reason in words
- what is revoked stays revoked; its key is kept, so that what it sent before can still be proven
- nothing that was received is removed: erasing a member is another act

`by` is the person who does it; None is an operator at the machine's console. Whether a person may do it is decided
by the caller (`accounts.services.may_act_for`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.central.enrolment.errors import ActRefusedError
from cyberalarm.central.members.models import Collector, Member

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User

log = structlog.get_logger(__name__)

_Status = Collector.Status


def stop(collector: Collector, by: User | None, why: str) -> Collector:
    """Let a collector send nothing until it is resumed; it keeps what it gathers. Raises ActRefusedError."""
    return _change(collector, by, why, _Status.STOPPED, (_Status.PROVISIONED, _Status.ENROLLED), Action.STOPPED)


def resume(collector: Collector, by: User | None, why: str) -> Collector:
    """Let a stopped collector go on. Raises ActRefusedError."""
    return _change(collector, by, why, _Status.ENROLLED, (_Status.STOPPED,), Action.RESUMED)


def revoke(collector: Collector, by: User | None, why: str) -> Collector:
    """Withdraw a collector for good: neither its key nor its token is taken any more. Raises ActRefusedError."""
    before = (_Status.PROVISIONED, _Status.ENROLLED, _Status.STOPPED)
    return _change(collector, by, why, _Status.REVOKED, before, Action.REVOKED)


def end_membership(member: Member, by: User | None, why: str) -> Member:
    """A member leaves: all its collectors are revoked, and its people see only that it has left. Raises ActRefusedError."""
    _require_reason(why)
    with transaction.atomic():
        fresh = Member.objects.select_for_update().get(pk=member.pk)
        if fresh.status != Member.Status.APPROVED:
            raise ActRefusedError("This organisation is not a member now.", next_step="Load the page again.")
        fresh.status = Member.Status.LEFT
        fresh.save(update_fields=["status"])
        audit.record(by, Action.MEMBERSHIP_ENDED, f"member:{fresh.reference}", why)
        for collector in Collector.objects.filter(site__member=fresh).exclude(status=_Status.REVOKED):
            revoke(collector, by, why)
    log.info("member.left", member=fresh.reference)
    return fresh


def _change(
    collector: Collector, by: User | None, why: str, to: Collector.Status, before: tuple[_Status, ...], action: Action
) -> Collector:
    _require_reason(why)
    with transaction.atomic():
        fresh = Collector.objects.select_for_update().get(pk=collector.pk)
        if fresh.status not in before:
            raise ActRefusedError(
                f"This cannot be done: the collector's state is “{_Status(fresh.status).label}”.",
                next_step="Load the page again.",
            )
        # One that was stopped before it was installed waits to be installed again.
        fresh.status = _Status.PROVISIONED if to == _Status.ENROLLED and fresh.public_key is None else to
        fresh.status_since = timezone.now()
        if to == _Status.REVOKED:
            fresh.token_hash, fresh.token_expires = "", None
        fresh.save(update_fields=["status", "status_since", "token_hash", "token_expires"])
        audit.record(by, action, f"collector:{fresh.reference}", why)
    log.info("collector.changed", collector=fresh.reference, status=str(fresh.status))
    return fresh


def _require_reason(why: str) -> None:
    if not why.strip():
        raise ActRefusedError("A reason is needed.", next_step="Say why, in a few words.")
