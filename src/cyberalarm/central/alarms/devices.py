"""What people say of a device: its name, that it is at rest, that it is to be watched again.

Invariants: each act and its audit row happen together; the name is the centre's, and no event or collector ever has it. Whether a
person may is decided by the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.members.models import Collector, Device

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User


def give_name(collector: Collector, reference: str, name: str, by: User) -> None:
    """Call a device by this name from now on; an empty one takes the name away."""
    _note(collector, reference, by, Action.DEVICE_NAMED, name=name)


def put_to_rest(collector: Collector, reference: str, by: User) -> None:
    """Expect nothing of a device until it sends again: it was removed, or will be switched off for long."""
    _note(collector, reference, by, Action.DEVICE_RESTED, rests_since=timezone.now())


def watch_again(collector: Collector, reference: str, by: User) -> None:
    _note(collector, reference, by, Action.DEVICE_WATCHED, rests_since=None)


@transaction.atomic
def _note(collector: Collector, reference: str, by: User, action: Action, **values: object) -> None:
    Device.objects.update_or_create(collector=collector, reference=reference, defaults=values)
    record(by, action, f"collector:{collector.reference}")
