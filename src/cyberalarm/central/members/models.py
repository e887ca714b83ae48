"""Member organisations, their sites and their collectors.

A member without a collector is a normal state. A member's `id` and a collector's `id` are what event rows carry;
`Collector.reference` is the public name that envelopes and tokens use.
"""

from __future__ import annotations

import secrets

from django.db import models

from cyberalarm.core.places import forces

# No 0/O, 1/I/L: read out on the telephone.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def new_reference(prefix: str) -> str:
    """A short random public name such as `c-7k2m9xqd4t`."""
    return prefix + "-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


def member_reference() -> str:
    return new_reference("m")


def collector_reference() -> str:
    return new_reference("c")


class Member(models.Model):
    """An organisation that takes part."""

    class Kind(models.TextChoices):
        SCHOOL = "school", "School, college or trust"
        BUSINESS = "business", "Business"
        CHARITY = "charity", "Charity"
        COUNCIL = "council", "Council"
        HEALTH = "health", "Health or care"
        OTHER = "other", "Another organisation"

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting for approval"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        LEFT = "left", "Left"

    reference = models.CharField(max_length=16, unique=True, default=member_reference, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    force = models.CharField(max_length=32, db_index=True)
    postcode = models.CharField(max_length=10, blank=True)
    website = models.CharField(max_length=253, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    created = models.DateTimeField(auto_now_add=True)
    approved = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=254, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def force_name(self) -> str:
        return forces()[self.force].name

    @property
    def region(self) -> str:
        return forces()[self.force].region


class Site(models.Model):
    """A place of a member's where a network is."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="sites")
    name = models.CharField(max_length=120)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=("member", "name"), name="site_once_per_member")]

    def __str__(self) -> str:
        return self.name


class Collector(models.Model):
    """A collector at a site: provisioned (has a token), enrolled (has keys), then sending."""

    class Status(models.TextChoices):
        PROVISIONED = "provisioned", "Waiting to be installed"
        ENROLLED = "enrolled", "Enrolled"
        STOPPED = "stopped", "Stopped by the centre"
        REVOKED = "revoked", "Revoked"

    reference = models.CharField(max_length=16, unique=True, default=collector_reference, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="collectors")
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PROVISIONED)
    token_hash = models.CharField(max_length=64, blank=True)  # hex SHA-256 of the registration secret
    token_expires = models.DateTimeField(null=True, blank=True)
    public_key = models.BinaryField(max_length=32, null=True, blank=True)  # raw Ed25519
    # Since when it is known by that key.
    key_since = models.DateTimeField(null=True, blank=True)
    version = models.CharField(max_length=32, blank=True)
    platform = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    enrolled = models.DateTimeField(null=True, blank=True)
    # When it last proved who it is, by asking for its status or by a bundle that was receipted. No proof of sending.
    last_seen = models.DateTimeField(null=True, blank=True)
    # Since when it is stopped or revoked, or goes on again.
    status_since = models.DateTimeField(null=True, blank=True)
    # The newest refusal of what it sent. All nullable, so that a program of before can still add rows. `refused_since`:
    # when the first of a row of refusals was, with no receipt between them. `refused_proven`: whether the signature was
    # this collector's, or the sender only claimed to be it.
    refused_code = models.CharField(max_length=32, null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    refused_since = models.DateTimeField(null=True, blank=True)
    refused_proven = models.BooleanField(null=True, blank=True)
    # What it said when it last asked for its status: the pack release that it reads by, 0 for the packs of its program, and the
    # code of why it does not use another one. Empty until it said so.
    pack_release = models.BigIntegerField(null=True, blank=True)
    pack_refused = models.CharField(max_length=32, null=True, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
