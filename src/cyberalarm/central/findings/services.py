"""Runs the detection rules and keeps what they find.

Invariants: running twice over the same events changes nothing but `updated`; the same events in one run or in
many, and bundles that arrive late, end in the same findings; a person's `status` outlives every run, except
that a finding which goes on after it was closed is opened again.

The runner looks at what was stored since its last run, however old the events are, plus a window before and
after.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from cyberalarm.central.events.spans import Span, from_ms, to_ms
from cyberalarm.central.members.models import Member
from cyberalarm.core.places import Scope

from .detecting import MOST_GROUPS, Figures, Group, Hit, figures, hits, shown
from .episodes import Episode, join
from .models import DetectionRun, Finding
from .rule import Kind, Rule, RuleLevel, SourceRole, Spoofable
from .rules_folder import rules
from .words import LONGEST_TITLE, fact_values, filled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)

# `stored` is written before a bundle is visible; looking back this far again makes up for it many times over.
GRACE = timedelta(minutes=10)
# One run at a time: the supervisor's and one asked for by hand would write the same findings.
_RUNNING = threading.Lock()
# Well below what any database takes in one condition.
_KEYS_AT_ONCE = 500
_LONGEST_KEY = 512


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
        """Both together; the span is the later one's."""
        return RunResult(
            other.span,
            self.rules + other.rules,
            self.created + other.created,
            self.updated + other.updated,
            self.cut + other.cut,
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An episode that a rule fired in, to be written down."""

    group: Group
    episode: Episode


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
    result = RunResult(span, 0, 0, 0)
    with _RUNNING:
        for kind in kinds:
            chosen = [r for r in rules().values() if r.kind is kind]
            applied = [r for r in chosen if national or r.level is RuleLevel.MEMBER]
            wide = span or _new_span(store, kind)
            if wide is not None:
                for rule in applied:
                    result = result.plus(_apply(store, rule, scope, wide, now))
            if span is None:
                DetectionRun.objects.update_or_create(name=kind.value, defaults={"looked_until": now})
    log.info("findings.run", rules=result.rules, created=result.created, updated=result.updated, cut=result.cut)
    return result


def _new_span(store: EventStore, kind: Kind) -> Span | None:
    """When the events happened that were stored since the last run; None when none were.

    The present bounds nothing: a device's clock may run ahead, and its events count like others.
    """
    last = DetectionRun.objects.filter(name=kind.value).first()
    since = last.looked_until - GRACE if last else datetime(2000, 1, 1, tzinfo=UTC)
    row = store.query("stored_span", Scope.national(), since=since)[0]
    if not row.number("stored_rows"):
        return None
    return Span(row.time("first"), row.time("last_seen") + timedelta(milliseconds=1))


def _apply(store: EventStore, rule: Rule, scope: Scope, span: Span, now: datetime) -> RunResult:
    """Join what a rule fires on to what is known, and write it down.

    The event store is asked before the relational transaction begins, which therefore stays short.
    """
    found = hits(store, rule, scope, span)
    # Events of a member who has been erased meanwhile are passed over.
    members = Member.objects.in_bulk(sorted({hit.group.who for hit in found} - {0}))
    usable = [hit for hit in found if hit.group.who == 0 or hit.group.who in members]
    known = _known(rule, usable)
    wanted = [
        _Wanted(hit.group, episode)
        for hit in usable
        for episode in join(known.get((hit.group.who, _key(hit.group)), ()), hit.windows)
        if _touched(episode, hit)
    ]
    facts = figures(store, rule, scope, [(w.group, w.episode.start, w.episode.end) for w in wanted])
    created = updated = 0
    with transaction.atomic():
        before = Finding.objects.in_bulk([w.episode.known[0] for w in wanted if w.episode.known])
        for one, facts_of_one in zip(wanted, facts, strict=True):
            if facts_of_one is None:
                continue
            finding = before.get(one.episode.known[0]) if one.episode.known else None
            created, updated = (created + 1, updated) if finding is None else (created, updated + 1)
            _write(rule, one, facts_of_one, finding or _new(rule, one.group, members, now), now)
    cut = (rule.id,) if len(found) >= MOST_GROUPS else ()
    return RunResult(span, 1, created, updated, cut)


def _new(rule: Rule, group: Group, members: Mapping[int, Member], now: datetime) -> Finding:
    return Finding(rule=rule.id, member=members.get(group.who), group_key=_key(group), created=now)


def _touched(episode: Episode, hit: Hit) -> bool:
    return any(start < episode.end and end > episode.start for start, end in hit.windows)


def _key(group: Group) -> str:
    """The group's key at a length that every database keeps."""
    if len(group.key) <= _LONGEST_KEY:
        return group.key
    digest = hashlib.sha256(group.key.encode()).hexdigest()
    return group.key[: _LONGEST_KEY - len(digest)] + digest


def _known(rule: Rule, found: Sequence[Hit]) -> dict[tuple[int, str], list[Episode]]:
    """Episodes already written down for these groups, by member (0: the network) and key."""
    known: dict[tuple[int, str], list[Episode]] = {}
    for batch in _batched(sorted({_key(hit.group) for hit in found}), _KEYS_AT_ONCE):
        rows = Finding.objects.filter(rule=rule.id, merged_into__isnull=True, group_key__in=batch)
        for row in rows.values_list("pk", "member_id", "group_key", "episode_start", "episode_end"):
            pk, member, key, start, end = row
            known.setdefault((member or 0, key), []).append(Episode(to_ms(start), to_ms(end), (pk,)))
    return known


def _batched(keys: list[str], size: int) -> list[list[str]]:
    return [keys[at : at + size] for at in range(0, len(keys), size)]


def _write(rule: Rule, wanted: _Wanted, facts: Figures, finding: Finding, now: datetime) -> None:
    """Write one episode into its finding, and close those that turned out to be part of it."""
    values = shown(rule, wanted.group)
    told = {**values, **fact_values(facts.evidence, facts.first, facts.last)}
    episode = wanted.episode
    if finding.status == Finding.Status.CLOSED and facts.last > finding.last_seen:
        finding.status = Finding.Status.OPEN
    finding.rule_version = rule.version
    finding.day = from_ms(episode.start).date()
    finding.title = filled(rule.title, values)[:LONGEST_TITLE]
    finding.what = filled(rule.plain, told)
    finding.advice_lines = [filled(line, told) for line in rule.advice]
    finding.severity = rule.severity_when_blocked if facts.evidence.all_blocked else rule.severity
    finding.category = rule.category
    finding.technique = rule.technique
    finding.source = values.get("src_ip") if rule.source is not SourceRole.NONE else None
    finding.source_role = rule.source.value
    finding.spoofable = _spoofable(rule, facts)
    finding.first_seen = facts.first
    finding.last_seen = facts.last
    finding.episode_start = from_ms(episode.start)
    finding.episode_end = from_ms(episode.end)
    finding.count = facts.evidence.tries
    finding.evidence = facts.evidence.to_json()
    finding.updated = now
    finding.save()
    if len(episode.known) > 1:
        Finding.objects.filter(pk__in=episode.known[1:]).update(
            status=Finding.Status.CLOSED, merged_into=finding, updated=now
        )


def _spoofable(rule: Rule, facts: Figures) -> bool:
    match rule.spoofable:
        case Spoofable.ALWAYS:
            return True
        case Spoofable.NEVER:
            return False
        case Spoofable.UNLESS_ESTABLISHED:
            return facts.evidence.established == 0
