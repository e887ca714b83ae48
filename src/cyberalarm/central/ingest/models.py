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
    """An accepted envelope. `storing`: its rows may or may not be in the event store, and no receipt was given. `quarantined`:
    it has its place in the chain, and its rows and ledgers count nowhere (`Quarantined`).
    """

    class State(models.TextChoices):
        STORING = "storing", "Being stored"
        STORED = "stored", "Stored"
        QUARANTINED = "quarantined", "Put aside"

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="envelopes")
    sequence = models.BigIntegerField()
    digest = models.CharField(max_length=64, unique=True)  # hex SHA-256 of the whole envelope
    state = models.CharField(max_length=12, choices=State.choices)
    sealed = models.DateTimeField()  # by the collector's clock
    received = models.DateTimeField()
    rows = models.BigIntegerField()
    lines = models.BigIntegerField()  # received lines over all ledgers inside
    size = models.BigIntegerField()  # bytes of the sealed envelope
    ledgers = models.JSONField()  # device id -> counts, as `Ledger.to_json` writes them
    # The pack release by which its lines were read, 0 for the packs of the collector's program. Empty where it did not say.
    pack_release = models.BigIntegerField(null=True)
    receipt = models.BinaryField(null=True)
    # The group that it is or was stored with, and its place in it. Empty where a program of before stored it.
    group = models.CharField(max_length=36, null=True)
    position = models.IntegerField(null=True)

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


class Group(models.Model):
    """Envelopes that are being stored together (`groups`). The row goes when they are."""

    token = models.CharField(max_length=36, primary_key=True)  # what the event store knows the insert by
    owner = models.CharField(max_length=36)  # the process that stores it
    lease = models.DateTimeField()  # until when that process is taken to live
    stored = models.DateTimeField()  # the time that its rows carry
    senders = models.JSONField()  # a `bundles.Sender` for each envelope, by position

    def __str__(self) -> str:
        return str(self.token)


class Quarantined(models.Model):
    """An envelope that failed after its signature was verified, and what became of it (`quarantine`)."""

    class State(models.TextChoices):
        HELD = "held", "Put aside"
        ASKED = "asked", "To be tried again"
        RELEASED = "released", "Stored after all"
        DISCARDED = "discarded", "Discarded"

    envelope = models.OneToOneField(Envelope, on_delete=models.CASCADE, primary_key=True, related_name="quarantined")
    code = models.CharField(max_length=32)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.HELD)
    decided = models.DateTimeField(null=True)  # when somebody or something last changed the state

    class Meta:
        ordering = ("-at",)
        indexes = [
            models.Index(fields=("state",), condition=models.Q(state__in=("held", "asked")), name="quarantine_open")
        ]

    def __str__(self) -> str:
        return f"{self.envelope_id}: {self.code}"


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


class _Counts(models.Model):
    """The fates of lines, as columns.

    Invariant: `received` is the sum of the nine outcomes; `dropped_by_kernel` stands beside it, and so does `recalled`:
    routine lines that were sent after all.
    """

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

    class Meta:
        abstract = True

    def ledger(self) -> Ledger:
        outcomes = {outcome: int(getattr(self, outcome)) for outcome in OUTCOMES}
        return Ledger(self.received, outcomes, self.dropped_by_kernel, self.recalled)


class LedgerTotal(_Counts):
    """The fate of every line of one device that a collector received, over all stored envelopes."""

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="ledger_totals")
    first_received = models.DateTimeField()
    last_received = models.DateTimeField()
    # All empty in rows of before. `last_lines` is when the newest envelope with lines of it was sealed, by our clock.
    last_lines = models.DateTimeField(null=True)
    first_recognised = models.DateTimeField(null=True)
    first_kept = models.DateTimeField(null=True)
    product = models.CharField(max_length=64, null=True)  # of most of its newest events
    # Seconds by which its clock seems ahead of the collector's, and since when; empty while it seems right.
    skew = models.BigIntegerField(null=True)
    skew_since = models.DateTimeField(null=True)

    class Meta:
        ordering = ("collector", "device")
        constraints = [models.UniqueConstraint(fields=("collector", "device"), name="ledger_once_per_device")]
        indexes = [models.Index(fields=("last_lines",), name="ledger_by_last_lines")]

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.device}: {self.received}"


class LedgerSpan(_Counts):
    """The same for one hour or one day (UTC), by when it reached us. Old ones are forgotten (`totals.forget_spans`)."""

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="ledger_spans")
    hours = models.SmallIntegerField()  # 1 or 24
    start = models.DateTimeField()

    class Meta:
        ordering = ("collector", "device", "hours", "start")
        constraints = [
            models.UniqueConstraint(fields=("collector", "device", "hours", "start"), name="ledger_span_once")
        ]
        indexes = [models.Index(fields=("hours", "start"), name="ledger_span_by_start")]

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.device}: {self.hours} h"


class Pause(models.Model):
    """A pause between two lines of a device that is long enough to matter; waits to be learnt from (`alarms.habits`)."""

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="pauses")
    device = models.CharField(max_length=32)
    began = models.DateTimeField()
    ended = models.DateTimeField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.collector_id}/{self.device}: {self.ended - self.began}"


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
