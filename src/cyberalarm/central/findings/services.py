"""Runs the detection rules.

Invariants: running twice over the same events changes nothing but `updated`; the same events in one run or in many, and bundles
that arrive late, end in the same findings; a person's `status` outlives every run, except that a finding which goes on after it was
closed is opened again; no member's events keep the rules from another's.

The runner looks at what was stored since its last run, plus a window before and after, member by member: events of the last
days at once, older ones month by month (see `backlog`), so many a run. A rule that fails on somebody's events is tried again
on those alone.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from cyberalarm.central.events.spans import Span
from cyberalarm.central.members.models import Member
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.core.places import Scope

from . import backlog
from .backlog import GRACE
from .models import DetectionRun
from .rule import Kind, Rule, RuleLevel
from .rules_folder import rules
from .writing import apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cyberalarm.central.events.store import EventStore

    from .models import DetectionTask

log = structlog.get_logger(__name__)

# Events younger than this are looked at in the run that first sees them.
RECENT = timedelta(days=8)
# Members whose events one query looks through.
_MEMBERS_AT_ONCE = 500
# Of what waits, a run looks at no more than this, and begins nothing after so many seconds.
_MOST_TASKS = 200
_LONGEST_CATCHING_UP = 40.0
# Queries of one rule that may fail in a run while it is found out on whose events.
_MOST_FAILURES = 20
_MILLISECOND = timedelta(milliseconds=1)
# One run at a time: the supervisor's and one asked for by hand would write the same findings.
_RUNNING = threading.Lock()


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run looked at and did.

    `span` is None when there was nothing new; `cut` names rules that found too much.
    """

    span: Span | None
    rules: int
    created: int
    updated: int
    cut: tuple[str, ...] = ()

    def plus(self, other: RunResult) -> RunResult:
        """Both together; the span is the later one's, if it has one."""
        return RunResult(
            other.span or self.span,
            self.rules + other.rules,
            self.created + other.created,
            self.updated + other.updated,
            self.cut + tuple(rule for rule in other.cut if rule not in self.cut),
        )


_NOTHING = RunResult(None, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Look:
    """Whose events to look at (nobody's: the whole network's together), and when they happened."""

    members: tuple[int, ...]
    span: Span

    def suits(self, rule: Rule) -> bool:
        return bool(self.members) is (rule.level is RuleLevel.MEMBER)


def run(
    store: EventStore,
    now: datetime,
    scope: Scope,
    span: Span | None = None,
    kinds: Sequence[Kind] = tuple(Kind),
) -> RunResult:
    """Run the rules over a span, or without one over what was stored since the last such run.

    Rules over the whole network run in the national scope only. Without a span, only the national scope makes
    sense, since one mark for each kind of rule says how far it has looked; raises ValueError otherwise.
    """
    national = scope == Scope.national()
    if span is None and not national:
        raise ValueError("a run without a span covers the whole network")
    result = _NOTHING
    with _RUNNING:
        for kind in kinds:
            chosen = [r for r in rules().values() if r.kind is kind]
            if span is None:
                result = result.plus(_new(store, kind, chosen, now))
            else:
                result = result.plus(_whole(store, chosen, scope, span, now))
    log.info("findings.run", rules=result.rules, created=result.created, updated=result.updated, cut=result.cut)
    return result


def _whole(store: EventStore, chosen: Sequence[Rule], scope: Scope, span: Span, now: datetime) -> RunResult:
    """The rules over a span that somebody asked for; whatever fails raises."""
    rows = store.query("active_members", scope, start=span.start, end=span.end)
    looks = [_Look(batch, span) for batch in _batches([row.number("member") for row in rows])]
    if scope == Scope.national():
        looks.append(_Look((), span))
    result = RunResult(span, 0, 0, 0)
    for rule in chosen:
        for one in looks:
            if one.suits(rule):
                result = result.plus(_apply(store, rule, scope, one, now))
    return result


def _apply(store: EventStore, rule: Rule, scope: Scope, one: _Look, now: datetime) -> RunResult:
    written = apply(store, rule, scope, one.span, one.members or None, now)
    return RunResult(one.span, 1, written.created, written.updated, (rule.id,) if written.flooded else ())


def _new(store: EventStore, kind: Kind, chosen: Sequence[Rule], now: datetime) -> RunResult:
    """The rules over what was stored since the last run; what is older than `RECENT` waits its turn.

    The present bounds nothing: a device's clock may run ahead, and its events count like others.
    """
    last = DetectionRun.objects.filter(name=kind.value).first()
    since = last.looked_until - GRACE if last else datetime(2000, 1, 1, tzinfo=UTC)
    recent: dict[int, Span] = {}
    months: dict[int, tuple[Span, datetime]] = {}
    for row in store.query("stored_spans", Scope.national(), since=since, recent=now - RECENT):
        member, month, newest = row.number("member"), row.number("month"), row.time("newest")
        span = Span(row.time("first"), row.time("latest") + _MILLISECOND)
        if not month:
            recent[member] = span
        elif kind is Kind.WINDOW:
            backlog.note(member, span, newest, now)
            known, known_newest = months.get(month, (span, newest))
            months[month] = _both(known, span), max(known_newest, newest)
    for span, newest in months.values():
        backlog.note(0, span, newest, now)
    looks = _looks(recent, now)
    resting = backlog.resting(now)
    result = _NOTHING
    for rule in chosen:
        result = result.plus(_carefully(store, rule, [one for one in looks if one.suits(rule)], resting, now))
    # What has to be done is written down by now, so the mark may move on.
    DetectionRun.objects.update_or_create(name=kind.value, defaults={"looked_until": now})
    return result.plus(_catch_up(store, now)) if kind is Kind.WINDOW else result


def _both(one: Span, other: Span) -> Span:
    return Span(min(one.start, other.start), max(one.end, other.end))


def _batches(members: list[int]) -> list[tuple[int, ...]]:
    return [tuple(members[at : at + _MEMBERS_AT_ONCE]) for at in range(0, len(members), _MEMBERS_AT_ONCE)]


def _looks(recent: dict[int, Span], now: datetime) -> list[_Look]:
    """Members whose new events are about as old together, so that nobody's old ones widen everybody's span."""

    def age(member: int) -> int:
        return (now - recent[member].start).days

    found: list[_Look] = []
    for _, alike in groupby(sorted(recent, key=lambda m: (age(m), m)), key=age):
        for batch in _batches(list(alike)):
            spans = [recent[member] for member in batch]
            found.append(_Look(batch, Span(min(s.start for s in spans), max(s.end for s in spans))))
    if found:
        found.append(_Look((), Span(min(o.span.start for o in found), max(o.span.end for o in found))))
    return found


def _carefully(
    store: EventStore, rule: Rule, looks: Iterable[_Look], resting: dict[str, frozenset[int]], now: datetime
) -> RunResult:
    """A rule over what there is to look at: where it fails, by halves, until it is known on whose events."""
    waiting, failures, result = list(looks), 0, _NOTHING
    rests = resting.get(rule.id, frozenset())
    while waiting:
        whole = waiting.pop()
        for who in rests & set(whole.members or (0,)):
            backlog.put_off(who, rule.id, whole.span, now)
        members = tuple(member for member in whole.members if member not in rests)
        if not members and (whole.members or 0 in rests):
            continue
        one = _Look(members, whole.span)
        try:
            result = result.plus(_apply(store, rule, Scope.national(), one, now))
        except Exception as error:
            failures += 1
            if len(members) > 1 and failures < _MOST_FAILURES:
                half = len(members) // 2
                waiting += [_Look(members[:half], one.span), _Look(members[half:], one.span)]
                continue
            code = error.code if isinstance(error, CyberAlarmError) else type(error).__name__
            log.warning("findings.look_failed", rule=rule.id, members=len(members), code=code, exc_info=failures == 1)
            for who in members or (0,):
                backlog.failed(who, rule.id, one.span, now, code)
    return result


def _catch_up(store: EventStore, now: datetime) -> RunResult:
    """Look at what waits and is due: so much of it, and no longer than so."""
    began, result = time.monotonic(), _NOTHING
    backlog.tidy(now)
    for task in backlog.due(now, _MOST_TASKS):
        if time.monotonic() - began > _LONGEST_CATCHING_UP:
            break
        result = result.plus(_look_at(store, task, now))
    return result


def _look_at(store: EventStore, task: DetectionTask, now: datetime) -> RunResult:
    """One task of the backlog; what fails in it is noted anew by itself."""
    if task.who and not Member.objects.filter(pk=task.who).exists():
        task.delete()
        return _NOTHING
    one = _Look((task.who,) if task.who else (), Span(task.first, task.last))
    chosen = [rules()[task.rule]] if task.rule in rules() else []
    resting: dict[str, frozenset[int]] = {}
    if not task.rule:
        chosen = [rule for rule in rules().values() if rule.kind is Kind.WINDOW and one.suits(rule)]
        resting = backlog.resting(now)
    result = _NOTHING
    for rule in chosen:
        result = result.plus(_carefully(store, rule, [one], resting, now))
    if not task.rule or not chosen or result.rules:
        backlog.done(task, now)
    return result
