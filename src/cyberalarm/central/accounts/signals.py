"""Sign-ins of police people are privileged acts, and are recorded as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.signals import user_logged_in

from cyberalarm.central.accounts.models import User
from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record

if TYPE_CHECKING:
    from django.http import HttpRequest


def connect() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="cyberalarm-police-signed-in")


def _signed_in(sender: object, request: HttpRequest, user: object, **_: object) -> None:  # noqa: ARG001
    if isinstance(user, User) and user.is_police:
        record(user, Action.SIGNED_IN)
