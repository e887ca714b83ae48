"""The kinds of alarms, in the order in which a member should look at them."""

from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    """What is wrong. The first ones are of the collector itself, the others of one device."""

    COLLECTOR_SILENT = "collector-silent", "Collector silent"
    REFUSED = "refused", "Bundles refused"
    QUARANTINED = "quarantined", "Bundles put aside"
    CLOCK = "clock", "Clock of the collector wrong"
    DISK = "disk", "Disk nearly full"
    SPOOL = "spool", "Spool nearly full"
    BEHIND = "behind", "Collector behind"
    TOO_OLD = "too-old", "Program too old"
    DROPPED = "dropped", "Log lines lost"
    TURNED_AWAY = "turned-away", "Connections turned away"
    DEVICE_SILENT = "device-silent", "Device silent"
    NOT_UNDERSTOOD = "not-understood", "Device not understood"
    NOT_RECOGNISED = "not-recognised", "Fewer lines recognised"
    GENERIC_ONLY = "generic-only", "Fewer lines fully understood"
    FIELD_MISSING = "field-missing", "Field missing"
    DEVICE_CLOCK = "device-clock", "Clock of a device wrong"


# Worst first.
ORDER: dict[str, int] = {kind: at for at, kind in enumerate(Kind.values)}
OF_DEVICES: frozenset[str] = frozenset(
    {
        Kind.DEVICE_SILENT,
        Kind.NOT_UNDERSTOOD,
        Kind.NOT_RECOGNISED,
        Kind.GENERIC_ONLY,
        Kind.FIELD_MISSING,
        Kind.DEVICE_CLOCK,
    }
)
