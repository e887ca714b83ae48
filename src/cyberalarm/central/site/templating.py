"""The Jinja2 environment of our own pages: escaping is always on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.messages import get_messages
from django.contrib.staticfiles import finders
from django.urls import reverse
from django.utils import timezone
from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, PrefixLoader

from cyberalarm.central.accounts.models import User
from cyberalarm.central.accounts.services import may_operate, may_read_audit
from cyberalarm.central.site.charts import Bar, bar_chart
from cyberalarm.core.ports import port_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the navigation."""

    text: str
    href: str
    here: bool


def environment(loader: BaseLoader, **_: object) -> Environment:
    """Called by Django with its loader; adds the components' macros, our functions and our filters."""
    components = PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")})
    env = Environment(loader=ChoiceLoader([loader, components]), autoescape=True, auto_reload=False)
    env.globals.update(
        url=_url,
        static=static,
        navigation=navigation,
        messages=get_messages,
        service_name=settings.CONFIG.service_name,
        contact=settings.CONFIG.contact,
        bar_chart=bar_chart,
        Bar=Bar,
        span=span,
    )
    env.filters.update(number=number, day=day, moment=moment, ago=ago, port=port_name, plural=plural)
    return env


def _url(name: str, *args: object) -> str:
    return reverse(name, args=args)


@cache
def static(name: str) -> str:
    """Address of a static file, with a mark of its content, so that browsers may keep it for long."""
    found = finders.find(name)
    mark = hashlib.sha256(Path(found).read_bytes()).hexdigest()[:12] if found else "missing"
    return f"{settings.STATIC_URL}{name}?v={mark}"


def navigation(request: HttpRequest) -> list[Link]:
    """The links that this person may follow."""
    user = request.user
    entries: list[tuple[str, str]]
    if not isinstance(user, User):
        entries = [
            ("Home", "site:home"),
            ("Join", "site:join"),
            ("Guides", "guides:index"),
            ("Privacy", "site:privacy"),
        ]
    elif user.is_police:
        entries = [
            ("Overview", "console:overview"),
            ("Members", "console:members"),
            ("Collectors", "console:collectors"),
            ("Findings", "console:findings"),
            ("Sign-ups", "console:sign-ups"),
        ]
        if may_operate(user):
            entries.append(("Operations", "console:operations"))
        if may_read_audit(user):
            entries.append(("Audit", "audit:entries"))
    else:
        entries = [
            ("Your status", "portal:home"),
            ("Alarms", "portal:alarms"),
            ("Findings", "portal:findings"),
            ("Reports", "portal:reports"),
            ("Guides", "guides:index"),
            ("Certificate", "portal:certificate"),
        ]
    return [Link(text, reverse(name), request.path == reverse(name)) for text, name in entries]


def number(value: int) -> str:
    return f"{value:,}"


def plural(value: int, one: str, many: str = "") -> str:
    """`3 | plural("collector")` gives "3 collectors"."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def day(value: date | datetime) -> str:
    """Such as 3 November 2026."""
    local = timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value
    return f"{local.day} {local:%B %Y}"


def span(first: datetime, last: datetime) -> str:
    """Such as "3 November 2026, 14:05 to 15:10", with the second day only where it is another."""
    start, end = timezone.localtime(first), timezone.localtime(last)
    if start.date() != end.date():
        return f"{day(start)}, {start:%H:%M} to {day(end)}, {end:%H:%M}"
    if f"{start:%H:%M}" == f"{end:%H:%M}":
        return f"{day(start)}, {start:%H:%M}"
    return f"{day(start)}, {start:%H:%M} to {end:%H:%M}"


def moment(value: datetime) -> str:
    """Such as 3 November 2026 at 14:05, London time."""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return f"{local.day} {local:%B %Y at %H:%M}"


_STEPS: tuple[tuple[int, str], ...] = ((86400, "day"), (3600, "hour"), (60, "minute"))


def ago(value: datetime, now: Callable[[], datetime] = timezone.now) -> str:
    """Such as "5 minutes ago"."""
    seconds = int((now() - value).total_seconds())
    for size, name in _STEPS:
        if seconds >= size:
            return plural(seconds // size, name) + " ago"
    return "just now"
