"""One row per privileged act.

Invariants: rows are only ever added; `sequence` counts from 1 without a gap; `digest` covers the rest of the
row and the digest before it. The ORM refuses to change or remove a row, and so do triggers in the database
(see the migrations). People appear by number, never by name or address, so that erasing a person leaves the
chain whole. Only who acts at the machine's console has no number, and appears by the machine's own account name.
"""

from __future__ import annotations

from typing import Never

from django.db import models

from cyberalarm.central.accounts.models import Role
from cyberalarm.central.audit.errors import AppendOnlyError


class Action(models.TextChoices):
    SIGNED_IN = "signed-in", "Police person signed in"
    APPROVED = "member-approved", "Approved a member"
    DECLINED = "member-declined", "Declined a member"
    PROVISIONED = "collector-provisioned", "Provisioned a collector"
    TOKEN_RENEWED = "token-renewed", "Renewed a registration token"
    TOKEN_WITHDRAWN = "token-withdrawn", "Withdrew a registration token"
    DEVICE_NAMED = "device-named", "Named a device"
    DEVICE_RESTED = "device-rested", "Put a device to rest"
    DEVICE_WATCHED = "device-watched", "Had a device watched again"
    COLLECTORS_EXPORTED = "collectors-exported", "Downloaded the list of collectors in trouble"
    REPORT_DOWNLOADED = "report-downloaded", "Downloaded a report"
    MEMBER_VIEWED = "member-viewed", "Looked at a member's data"
    STOPPED = "collector-stopped", "Stopped a collector"
    RESUMED = "collector-resumed", "Let a collector go on"
    REVOKED = "collector-revoked", "Revoked a collector"
    MEMBERSHIP_ENDED = "membership-ended", "Ended a membership"
    PACKS_PUBLISHED = "packs-published", "Published a pack release"
    PACKS_WITHDRAWN = "packs-withdrawn", "Withdrew a pack release"
    POLICE_ADDED = "police-added", "Made a police account"
    FINDING_ACKNOWLEDGED = "finding-acknowledged", "Acknowledged a finding"
    FINDING_CLOSED = "finding-closed", "Closed a finding"
    FINDING_REOPENED = "finding-reopened", "Opened a finding again"
    COLLECTOR_KEY_CHANGED = "collector-key-changed", "Changed its signing key"
    QUARANTINE_RELEASED = "quarantine-released", "Had a bundle tried again that was put aside"
    QUARANTINE_DISCARDED = "quarantine-discarded", "Discarded a bundle that was put aside"
    QUARANTINE_DOWNLOADED = "quarantine-downloaded", "Downloaded a bundle that was put aside"
    CENTRE_KEY_ANNOUNCED = "centre-key-announced", "Announced a key of the centre"
    JOB_ASKED = "job-asked", "Had a background job run"
    CENTRE_KEY_CHANGED = "centre-key-changed", "Changed a key of the centre"


# Who acts without signing in: an operator at the machine's own console. No person has this number or this role.
NOBODY = 0
CONSOLE = "console"
# A collector that acts for itself, with its signature; it has no number either, and appears by its reference.
COLLECTOR = "collector"


def _refuse(*_: object, **__: object) -> Never:
    raise AppendOnlyError("The audit record can only be added to.", next_step="Add a row by audit.services.record.")


class _AppendOnly(models.QuerySet["Entry"]):
    update = _refuse
    delete = _refuse
    bulk_create = _refuse
    bulk_update = _refuse
    update_or_create = _refuse


class Entry(models.Model):
    """A privileged act. Made by `audit.services.record` only."""

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.BigIntegerField()  # number of the person; not a foreign key, since people may be erased
    actor_role = models.CharField(max_length=16)
    action = models.CharField(max_length=32, choices=Action.choices)
    subject = models.CharField(max_length=64, blank=True)  # such as member:m-… or collector:c-…
    # Empty in rows of before there were these two; such rows keep the digest they were given.
    actor_name = models.CharField(max_length=64, null=True, blank=True)  # only of an actor without a number
    why = models.CharField(max_length=200, null=True, blank=True)  # the reason that was given
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)

    objects = _AppendOnly.as_manager()

    class Meta:
        ordering = ("-sequence",)

    def __str__(self) -> str:
        return f"{self.sequence} {self.action} {self.subject}"

    @property
    def role_name(self) -> str:
        """The role that the person had at that moment."""
        return str(Role(self.actor_role).label)

    @property
    def who(self) -> str:
        """The actor, as far as the record says."""
        if self.actor_role == COLLECTOR:
            return f"collector {self.actor_name} itself"
        if self.actor == NOBODY:
            return f"{self.actor_name} at the machine's console"
        return f"person {self.actor} ({self.role_name})"

    save = _refuse
    delete = _refuse

    def _insert_once(self) -> None:
        """Write the row; used by `audit.services` alone."""
        models.Model.save(self, force_insert=True)
