"""Writes to a member when an alarm begins: once, and to those of its people who have not declined.

Invariants:
- an alarm is told once; what began within an hour after a mail waits for the next one, so a member has at most one an hour
- what has ended meanwhile is not told any more, nor what nobody could be told of for a day
- a mail holds no address, no line and no figure of traffic: what is wrong, since when, and what to do
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.template.loader import render_to_string
from django.urls import reverse

from cyberalarm.central.accounts.models import User
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.alarms.services import worst_first
from cyberalarm.central.alarms.showing import view
from cyberalarm.central.alarms.words import words_of
from cyberalarm.central.members.models import Member
from cyberalarm.central.members.naming import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.central.members.naming import Names

log = structlog.get_logger(__name__)

NOT_OFTENER = timedelta(hours=1)
_TOO_LATE = timedelta(hours=24)
# Mails of one run: what is left waits a minute.
MOST_AT_ONCE = 200
_MOST_NAMED = 20  # alarms in one mail


@dataclass(frozen=True, slots=True)
class Sent:
    """To how many members was written, and why it ended before all were."""

    members: int
    failed: str = ""


def send(now: datetime) -> Sent:
    """Write to every member that has something new. What fails is tried again with the next run."""
    waiting = Alarm.objects.standing().filter(mail=True, mailed__isnull=True, noticed__gt=now - _TOO_LATE)
    by_member: dict[int, list[Alarm]] = defaultdict(list)
    for alarm in waiting.select_related("collector__site"):
        by_member[alarm.collector.site.member_id].append(alarm)
    if not by_member:
        return Sent(0)
    told = set(
        Alarm.objects.filter(mailed__gt=now - NOT_OFTENER).values_list("collector__site__member", flat=True).distinct()
    )
    due = sorted(set(by_member) - told)[:MOST_AT_ONCE]
    people = _people(due)
    names = names_of({alarm.collector_id for member in due for alarm in by_member[member]})
    sent = 0
    try:
        with get_connection() as post:
            for member in due:
                alarms = worst_first(by_member[member])
                if people[member]:
                    subject, body = _subject(alarms), _body(alarms, names)
                    EmailMessage(subject, body, to=[], bcc=people[member], connection=post).send()
                    sent += 1
                Alarm.objects.filter(pk__in=[alarm.pk for alarm in alarms]).update(mailed=now)
    except OSError as error:  # the mail server's, and the connection's
        log.warning("alarms.mail_failed", error=type(error).__name__)
        return Sent(sent, type(error).__name__)
    return Sent(sent)


def _people(members: Sequence[int]) -> dict[int, list[str]]:
    """Confirmed addresses of those who are written to, by member."""
    confirmed = EmailAddress.objects.filter(
        verified=True, primary=True, user__member__in=members, user__is_active=True,
        user__member__status=Member.Status.APPROVED,
    ).exclude(user__alarm_mails=False)  # fmt: skip
    found: dict[int, list[str]] = defaultdict(list)
    for member, address in confirmed.order_by("email").values_list("user__member", "email"):
        found[member].append(address)
    return found


def _subject(alarms: Sequence[Alarm]) -> str:
    """Without a name that somebody typed, so that nothing can be put into a header."""
    what = words_of(alarms[0]).title if len(alarms) == 1 else f"{len(alarms)} things need a look"
    subject = f"a device: {what[0].lower()}{what[1:]}" if len(alarms) == 1 and alarms[0].device else what
    return f"{settings.CONFIG.service_name}: {subject[0].lower()}{subject[1:]}"


def _body(alarms: Sequence[Alarm], names: Names) -> str:
    context = {
        "entries": [view(alarm, names) for alarm in alarms[:_MOST_NAMED]],
        "more": max(len(alarms) - _MOST_NAMED, 0),
        "page": settings.CONFIG.url + reverse("portal:alarms"),
        "service": settings.CONFIG.service_name,
    }
    return render_to_string("alarms/mail.txt", context, using="jinja2")


def declined(user: User) -> bool:
    """Has this person said that nothing is to be sent?"""
    return user.alarm_mails is False


def choose(user: User, *, wanted: bool) -> None:
    """Note whether this person wants mails about alarms."""
    User.objects.filter(pk=user.pk).update(alarm_mails=wanted)
