"""Alarms: one row from its beginning to its end, and kept as history.

Invariant, held by the database: at most one alarm of a kind stands for a collector, device, product and field.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.members.models import Collector
from cyberalarm.core.places import Level, Scope, regions


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def within(self, scope: Scope) -> AlarmQuerySet:
        """Those of members that the scope covers."""
        match scope.level:
            case Level.NATIONAL:
                return self.all()
            case Level.REGION:
                return self.filter(collector__site__member__force__in=[f.code for f in regions()[scope.code].forces])
            case Level.FORCE:
                return self.filter(collector__site__member__force=scope.code)
            case Level.MEMBER:
                return self.filter(collector__site__member=scope.member)

    def standing(self) -> AlarmQuerySet:
        return self.filter(ended__isnull=True)


class Alarm(models.Model):
    """Something that is, or was, wrong. `began` is when it went wrong, `noticed` when we saw it; both by our clock.

    What `value` and `other` count is told by `words`. `code` is that of a refusal, or a version.
    """

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="told_alarms")
    device = models.CharField(max_length=32, blank=True)
    kind = models.CharField(max_length=24, choices=Kind.choices)
    product = models.CharField(max_length=64, blank=True)
    field = models.CharField(max_length=64, blank=True)
    began = models.DateTimeField()
    noticed = models.DateTimeField()
    ended = models.DateTimeField(null=True, blank=True)
    value = models.BigIntegerField(default=0)
    other = models.BigIntegerField(default=0)
    code = models.CharField(max_length=64, blank=True)
    # Whether its member is to be written to, and when that was done.
    mail = models.BooleanField(default=True)
    mailed = models.DateTimeField(null=True, blank=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ("began", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("collector", "device", "kind", "product", "field"),
                condition=Q(ended__isnull=True),
                name="told_alarm_stands_once",
            )
        ]
        indexes = [
            models.Index(fields=("began",), condition=Q(ended__isnull=True), name="told_alarm_standing"),
            models.Index(fields=("ended",), name="told_alarm_ended"),
            models.Index(fields=("collector", "-began"), name="told_alarm_of_collector"),
        ]

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.device}: {self.kind}"
