"""Where each collector's chain of envelopes stands, and by which keys it was signed."""

from __future__ import annotations

from django.db import models

from cyberalarm.central.members.models import Collector
from cyberalarm.envelope.sealing import FIRST_PREVIOUS


class Chain(models.Model):
    """The last envelope of a collector that is stored. It goes on with `sequence + 1`, after `head`.

    Changed by ingest only, in the transaction that marks an envelope as stored. Enrolling again does not
    reset it.
    """

    collector = models.OneToOneField(Collector, on_delete=models.CASCADE, primary_key=True, related_name="chain")
    sequence = models.BigIntegerField(default=0)
    head = models.CharField(max_length=64, default=FIRST_PREVIOUS)

    def __str__(self) -> str:
        return f"{self.collector.reference} at {self.sequence}"


class CollectorKey(models.Model):
    """A key that a collector is, or was, known by, from its envelope `first` on. Of several rows for one envelope the newest
    counts.

    Never removed, so that every kept original can still be verified. A collector that never changed its key may have no row.
    """

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="keys")
    public_key = models.BinaryField(max_length=32)  # raw Ed25519
    first = models.BigIntegerField()
    taken_up = models.DateTimeField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.collector.reference} from {self.first}"
