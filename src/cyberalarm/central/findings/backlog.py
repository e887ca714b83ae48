"""What the rules still have to look at beside the newest events: older ones that arrived late, and what failed.

Invariants: what was noted stays until it was looked at or, after `MOST_ATTEMPTS` failures, given up, which is logged as an error
and stays to be seen; noting the same twice is noting it once; of what is due, every member has a turn before any has a second.

What it does not do: run rules (`services` does).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from .models import DetectionTask

if TYPE_CHECKING:
    from datetime import date, datetime

    from cyberalarm.central.events.spans import Span

log = structlog.get_logger(__name__)

# `stored` is written before a bundle is visible; looking back this far again makes up for it many times over.
GRACE = timedelta(minutes=10)
# Waiting longer each time, these take about four hours.
MOST_ATTEMPTS = 8
_FIRST_WAIT = timedelta(minutes=2)
# For so long after giving up, nothing of the kind is tried.
_REST = timedelta(days=1)
# What is done is kept long enough to know it again within `GRACE`.
_KEPT_DONE = timedelta(days=1)
# Of a long backlog, so many rows are looked at to choose from.
_MOST_CONSIDERED = 10_000
_State = DetectionTask.State


@dataclass(frozen=True, slots=True)
class Standing:
    """How much is waiting, failing and given up: for health pages. `oldest` is the longest waiting one's last change."""

    waiting: int
    failing: int
    given_up: int
    oldest: datetime | None


def standing() -> Standing:
    """How the backlog is."""
    counts = Counter(DetectionTask.objects.exclude(state=_State.DONE).values_list("state", flat=True))
    oldest = DetectionTask.objects.filter(state=_State.WAITING).order_by("updated").first()
    return Standing(
        counts[_State.WAITING], counts[_State.FAILING], counts[_State.GIVEN_UP], oldest.updated if oldest else None
    )


def note(who: int, span: Span, newest: datetime, now: datetime) -> None:
    """Remember that all rules shall look at a member's events (0: the network's) of a span within one month.

    `newest` is when the newest of them was stored. Nothing is remembered when they have been looked at since.
    """
    task = _task(who, "", span.start)
    if task is None:
        DetectionTask.objects.create(
            who=who, month=_month(span.start), first=span.start, last=span.end, newest=newest, next_try=now, updated=now
        )
        return
    if task.state == _State.DONE and task.looked is not None:
        if newest <= task.looked - GRACE:
            return
        task.first, task.last, task.state, task.attempts = span.start, span.end, _State.WAITING, 0
        # What was stored just before the last look may have become visible after it: once more, when that is past.
        task.next_try = now if newest > task.looked else newest + GRACE
    else:
        _widen(task, span)
    task.newest, task.updated = newest, now
    task.save()


def failed(who: int, rule: str, span: Span, now: datetime, error: str) -> None:
    """Remember that a rule failed on a member's events of a span, and when to try again."""
    task = _task(who, rule, span.start)
    if task is None:
        task = DetectionTask(who=who, rule=rule, month=_month(span.start), first=span.start, last=span.end, newest=now)
    elif task.state == _State.DONE:
        task.first, task.last = span.start, span.end
    else:
        _widen(task, span)
        if task.state == _State.GIVEN_UP:
            task.attempts = 0
    task.attempts += 1
    task.error, task.updated = error[:64], now
    task.next_try = now + _FIRST_WAIT * (1 << (task.attempts - 1))
    task.state = _State.GIVEN_UP if task.attempts >= MOST_ATTEMPTS else _State.FAILING
    task.save()
    told = {"rule": rule, "member": who, "attempts": task.attempts, "code": error}
    if task.state == _State.GIVEN_UP:
        log.error("findings.given_up", **told)
    else:
        log.warning("findings.rule_failed", **told)


def resting(now: datetime) -> dict[str, frozenset[int]]:
    """Of each rule, whose events it is not tried on now, since it failed on them lately."""
    rows = DetectionTask.objects.filter(state=_State.FAILING) | DetectionTask.objects.filter(
        state=_State.GIVEN_UP, updated__gt=now - _REST
    )
    found: dict[str, set[int]] = {}
    for rule, who in rows.values_list("rule", "who"):
        found.setdefault(rule, set()).add(who)
    return {rule: frozenset(who) for rule, who in found.items()}


def put_off(who: int, rule: str, span: Span, now: datetime) -> None:
    """Let a rule that rests look at a span when it is tried again."""
    task = _task(who, rule, span.start)
    if task is None:
        wait = now + _FIRST_WAIT
        task = DetectionTask(
            who=who, rule=rule, month=_month(span.start), first=span.start, last=span.end, next_try=wait
        )
        task.state, task.newest, task.updated = _State.FAILING, now, now
    elif task.state == _State.DONE:
        task.first, task.last, task.state, task.next_try, task.updated = span.start, span.end, _State.FAILING, now, now
    else:
        _widen(task, span)
    task.save()


def due(now: datetime, most: int) -> list[DetectionTask]:
    """What to look at now, every member's first before anybody's second."""
    rows = DetectionTask.objects.filter(state__in=(_State.WAITING, _State.FAILING), next_try__lte=now)
    turns: Counter[int] = Counter()
    chosen: list[tuple[int, int]] = []
    for pk, who in rows.order_by("next_try", "month", "pk").values_list("pk", "who")[:_MOST_CONSIDERED]:
        chosen.append((turns[who], pk))
        turns[who] += 1
    # Sorted by turn alone, so that within one the order of waiting stays.
    keys = [pk for _, pk in sorted(chosen, key=lambda turn: turn[0])[:most]]
    found = DetectionTask.objects.in_bulk(keys)
    return [found[pk] for pk in keys]


def done(task: DetectionTask, now: datetime) -> None:
    """Everything of it has been looked at."""
    task.state, task.looked, task.updated, task.attempts, task.error = _State.DONE, now, now, 0, ""
    task.save()


def tidy(now: datetime) -> None:
    """Forget what was done long ago."""
    DetectionTask.objects.filter(state=_State.DONE, updated__lt=now - _KEPT_DONE).delete()


def _task(who: int, rule: str, start: datetime) -> DetectionTask | None:
    return DetectionTask.objects.filter(who=who, rule=rule, month=_month(start)).first()


def _month(moment: datetime) -> date:
    return moment.date().replace(day=1)


def _widen(task: DetectionTask, span: Span) -> None:
    task.first, task.last = min(task.first, span.start), max(task.last, span.end)
