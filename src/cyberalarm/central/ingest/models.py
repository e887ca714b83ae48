"""What the centre remembers of every envelope, the ledgers of every device added up, and the alarms that stand.

The rows themselves are in the event store, the sealed originals in files (see `evidence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import OuterRef, Subquery

from cyberalarm.central.members.models import Collector
from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.core.outcome import OUTCOMES, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class Envelope(models.Model):
    """An accepted envelope. `storing` means: its rows may or may not be in the event store, and no receipt
    was given.
    """

    class State(models.TextChoices):
        STORING = "storing", "Being stored"
        STORED = "stored", "Stored"

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="envelopes")
    sequence = models.BigIntegerField()
    digest = models.CharField(max_length=64, unique=True)  # hex SHA-256 of the whole envelope
    state = models.CharField(max_length=8, choices=State.choices)
    sealed = models.DateTimeField()  # by the collector's clock
    received = models.DateTimeField()
    rows = models.BigIntegerField()
    lines = models.BigIntegerField()  # received lines over all ledgers inside
    size = models.BigIntegerField()  # bytes of the sealed envelope
    ledgers = models.JSONField()  # device id -> counts, as `Ledger.to_json` writes them
    # The pack release by which its lines were read, 0 for the packs of the collector's program. Empty where it did not say.
    pack_release = models.BigIntegerField(null=True)
    receipt = models.BinaryField(null=True)

    class Meta:
        ordering = ("collector", "sequence")
        constraints = [models.UniqueConstraint(fields=("collector", "sequence"), name="envelope_once_per_sequence")]
        indexes = [
            models.Index(fields=("state",), condition=models.Q(state="storing"), name="envelope_storing"),
            models.Index(fields=("collector", "received"), name="envelope_by_received"),
        ]

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.sequence}"

    def device_ledgers(self) -> dict[str, Ledger]:
        return {device: Ledger.from_json(counts) for device, counts in self.ledgers.items()}


@dataclass(frozen=True, slots=True)
class Activity:
    """When a collector's newest envelope was receipted, and its newest one that reported any line."""

    envelope: datetime | None = None
    lines: datetime | None = None


def activity_of(collectors: Iterable[int]) -> dict[int, Activity]:
    """What was last receipted of each of these collectors, by the centre's clock."""
    receipted = Envelope.objects.filter(collector=OuterRef("pk"), state=Envelope.State.STORED).order_by("-received")
    rows = Collector.objects.filter(pk__in=list(collectors)).annotate(
        newest=Subquery(receipted.values("received")[:1]),
        newest_lines=Subquery(receipted.filter(lines__gt=0).values("received")[:1]),
    )
    return {pk: Activity(newest, lines) for pk, newest, lines in rows.values_list("pk", "newest", "newest_lines")}


class LedgerTotal(models.Model):
    """The fate of every line of one device that a collector received, over all stored envelopes.

    Invariant: `received` is the sum of the nine outcomes; `dropped_by_kernel` stands beside it, and so does `recalled`:
    routine lines that were sent after all.
    """

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="ledger_totals")
    device = models.CharField(max_length=32)
    received = models.BigIntegerField(default=0)
    kept = models.BigIntegerField(default=0)
    routine = models.BigIntegerField(default=0)
    internal = models.BigIntegerField(default=0)
    outbound = models.BigIntegerField(default=0)
    trusted = models.BigIntegerField(default=0)
    noise = models.BigIntegerField(default=0)
    unrecognised = models.BigIntegerField(default=0)
    malformed = models.BigIntegerField(default=0)
    overflow = models.BigIntegerField(default=0)
    dropped_by_kernel = models.BigIntegerField(default=0)
    recalled = models.BigIntegerField(default=0, db_default=0)
    first_received = models.DateTimeField()
    last_received = models.DateTimeField()

    class Meta:
        ordering = ("collector", "device")
        constraints = [models.UniqueConstraint(fields=("collector", "device"), name="ledger_once_per_device")]

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.device}: {self.received}"

    def ledger(self) -> Ledger:
        outcomes = {outcome: int(getattr(self, outcome)) for outcome in OUTCOMES}
        return Ledger(self.received, outcomes, self.dropped_by_kernel, self.recalled)


class DeviceAlarm(models.Model):
    """An alarm that stands at a collector, as its newest bundle with alarms said. Its own clock says since when."""

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="alarms")
    device = models.CharField(max_length=32)
    kind = models.CharField(max_length=32)
    product = models.CharField(max_length=64, blank=True)
    field = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField()
    before = models.SmallIntegerField()  # shares in parts of a thousand
    now = models.SmallIntegerField()

    class Meta:
        ordering = ("collector", "since", "device")
        constraints = [
            models.UniqueConstraint(fields=("collector", "device", "kind", "product", "field"), name="alarm_once")
        ]

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.device}: {self.kind}"

    def alarm(self) -> Alarm:
        since = round(self.since.timestamp() * 1000)
        return Alarm(
            self.device, AlarmKind(self.kind), self.product, self.field, since, int(self.before), int(self.now)
        )
