"""Findings: what a detection rule saw, once per episode.

Invariant: one row per rule, member (none for a rule over the network), group key and day on which the episode
began. An episode ends when a rule has been silent for a day; see `episodes`. Rows are written by
`writing.apply` alone, except for `status`, which people change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from cyberalarm.central.members.models import Member
from cyberalarm.core.places import Level, regions

from .evidence import Evidence

if TYPE_CHECKING:
    from cyberalarm.core.places import Scope


class FindingQuerySet(models.QuerySet["Finding"]):
    """Findings limited to what a scope may see."""

    def within(self, scope: Scope) -> FindingQuerySet:
        """Members' findings in scope. Findings over the whole network are for the national scope only."""
        match scope.level:
            case Level.MEMBER:
                return self.filter(member=scope.member)
            case Level.FORCE:
                return self.filter(member__force=scope.code)
            case Level.REGION:
                return self.filter(member__force__in=[f.code for f in regions()[scope.code].forces])
            case Level.NATIONAL:
                return self.all()

    def open(self) -> FindingQuerySet:
        """Findings that nobody has closed."""
        return self.exclude(status=Finding.Status.CLOSED)


class Finding(models.Model):
    """One episode of something that a rule describes."""

    class Severity(models.IntegerChoices):
        LOW = 1, "Low"
        MEDIUM = 2, "Medium"
        HIGH = 3, "High"
        CRITICAL = 4, "Critical"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        CLOSED = "closed", "Closed"

    class SourceRole(models.TextChoices):
        ORIGIN = "origin", "Where the activity came from"
        VICTIM = "victim", "Whom the activity was aimed at, by a forged sender"
        NONE = "none", "No single source"

    rule = models.CharField(max_length=64, db_index=True)
    rule_version = models.PositiveIntegerField()
    member = models.ForeignKey(Member, on_delete=models.CASCADE, null=True, blank=True, related_name="findings")
    group_key = models.CharField(max_length=512, blank=True)
    day = models.DateField()
    title = models.CharField(max_length=300)
    what = models.TextField()
    advice_lines = models.JSONField(default=list)  # texts, with the evidence's values filled in
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    category = models.CharField(max_length=32)
    technique = models.CharField(max_length=16, blank=True)
    source = models.GenericIPAddressField(null=True, blank=True)
    source_role = models.CharField(max_length=8, choices=SourceRole.choices, default=SourceRole.NONE)
    spoofable = models.BooleanField()
    first_seen = models.DateTimeField(db_index=True)
    last_seen = models.DateTimeField(db_index=True)
    episode_start = models.DateTimeField()
    episode_end = models.DateTimeField()
    count = models.PositiveBigIntegerField()
    evidence = models.JSONField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN, db_index=True)
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="merged")
    created = models.DateTimeField()
    updated = models.DateTimeField()

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ("-severity", "-last_seen", "id")
        constraints = [
            models.UniqueConstraint(
                fields=("rule", "member", "group_key", "day"),
                condition=Q(member__isnull=False),
                name="finding_once_per_member_episode",
            ),
            models.UniqueConstraint(
                fields=("rule", "group_key", "day"),
                condition=Q(member__isnull=True),
                name="finding_once_per_network_episode",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def facts(self) -> Evidence:
        """The evidence as values."""
        return Evidence.from_json(self.evidence)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, in plain words, as the rule said when the finding was last written."""
        return tuple(str(line) for line in self.advice_lines)


class DetectionRun(models.Model):
    """Up to which moment of storing the rules have looked. One row for each kind of rule."""

    name = models.CharField(max_length=32, unique=True)
    looked_until = models.DateTimeField()


class DetectionTask(models.Model):
    """Something that the rules still have to look at, apart from what is new: see `backlog`.

    Invariant: one row per `who` (a member's id; 0: the network), rule (empty: every rule over windows) and month of the events.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        FAILING = "failing", "Failed, to be tried again"
        GIVEN_UP = "given_up", "Failed too often, given up"
        DONE = "done", "Done"

    who = models.PositiveBigIntegerField()
    rule = models.CharField(max_length=64, blank=True)
    month = models.DateField()  # its first day
    first = models.DateTimeField()
    last = models.DateTimeField()
    newest = models.DateTimeField()  # when the newest of the events was stored
    looked = models.DateTimeField(null=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING, db_index=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try = models.DateTimeField(db_index=True)
    error = models.CharField(max_length=64, blank=True)
    updated = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("who", "rule", "month"), name="detection_task_once")]

    def __str__(self) -> str:
        return f"{self.rule or 'every rule'} for {self.who or 'the network'} in {self.month:%Y-%m}"
