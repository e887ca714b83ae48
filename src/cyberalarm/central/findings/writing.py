"""Writes down what a rule found: joined to what is known, one finding an episode.

Invariants: writing the same twice changes nothing but `updated`; the event store is asked before the relational transaction begins,
which therefore stays short; the finding that stands for more groups than can be listed only ever grows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from cyberalarm.central.events.spans import from_ms, to_ms
from cyberalarm.central.members.models import Member

from .detecting import Figures, Flood, Group, figures, look, shown
from .episodes import Episode, join
from .evidence import Evidence
from .models import Finding
from .rule import Rule, SourceRole, Spoofable
from .words import LONGEST_TITLE, fact_values, filled, filled_for_many

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cyberalarm.central.events.spans import Span
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.core.places import Scope

# Well below what any database takes in one condition.
_KEYS_AT_ONCE = 500
_LONGEST_KEY = 512
# The key of the finding that stands for all groups of a member; the store's own keys begin with a bracket.
ALL_GROUPS = "*"


@dataclass(frozen=True, slots=True)
class Written:
    """How many findings were made and continued, and whether some member had too many groups to list."""

    created: int
    updated: int
    flooded: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An episode that a rule fired in, to be written down."""

    group: Group
    episode: Episode


def apply(
    store: EventStore, rule: Rule, scope: Scope, span: Span, members: Sequence[int] | None, now: datetime
) -> Written:
    """Join what a rule fires on to what is known, and write it down. `members` as in `detecting.look`."""
    found = look(store, rule, scope, span, members)
    # Events of a member who has been erased meanwhile are passed over.
    owners = Member.objects.in_bulk(sorted(({h.group.who for h in found.hits} | {f.who for f in found.floods}) - {0}))
    usable = [hit for hit in found.hits if hit.group.who == 0 or hit.group.who in owners]
    known = _known(rule, {_key(hit.group) for hit in usable})
    wanted = [
        _Wanted(hit.group, episode)
        for hit in usable
        for episode in join(known.get((hit.group.who, _key(hit.group)), ()), hit.windows)
        if _touched(episode, hit.windows)
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
            made = finding or _new(rule, one.group.who, _key(one.group), owners, now)
            _write(rule, one, facts_of_one, made, now)
        for flood in found.floods:
            if flood.who == 0 or flood.who in owners:
                fresh = _write_flood(rule, flood, owners, now)
                created, updated = created + fresh, updated + 1 - fresh
    return Written(created, updated, bool(found.floods))


def _new(rule: Rule, who: int, key: str, members: Mapping[int, Member], now: datetime) -> Finding:
    return Finding(rule=rule.id, member=members.get(who), group_key=key, created=now)


def _touched(episode: Episode, windows: Sequence[tuple[int, int]]) -> bool:
    return any(start < episode.end and end > episode.start for start, end in windows)


def _key(group: Group) -> str:
    """The group's key at a length that every database keeps."""
    if len(group.key) <= _LONGEST_KEY:
        return group.key
    digest = hashlib.sha256(group.key.encode()).hexdigest()
    return group.key[: _LONGEST_KEY - len(digest)] + digest


def _known(rule: Rule, keys: set[str]) -> dict[tuple[int, str], list[Episode]]:
    """Episodes already written down for these groups, by member (0: the network) and key."""
    known: dict[tuple[int, str], list[Episode]] = {}
    for batch in _batched(sorted(keys), _KEYS_AT_ONCE):
        rows = Finding.objects.filter(rule=rule.id, merged_into__isnull=True, group_key__in=batch)
        for row in rows.values_list("pk", "member_id", "group_key", "episode_start", "episode_end"):
            pk, member, key, start, end = row
            known.setdefault((member or 0, key), []).append(Episode(to_ms(start), to_ms(end), (pk,)))
    return known


def _batched(keys: list[str], size: int) -> list[list[str]]:
    return [keys[at : at + size] for at in range(0, len(keys), size)]


def _write(rule: Rule, wanted: _Wanted, facts: Figures, finding: Finding, now: datetime) -> None:
    """Write one episode into its finding."""
    values = shown(rule, wanted.group)
    told = {**values, **fact_values(facts.evidence, facts.first, facts.last)}
    finding.title = filled(rule.title, values)[:LONGEST_TITLE]
    finding.what = filled(rule.plain, told)
    finding.advice_lines = [filled(line, told) for line in rule.advice]
    finding.source = values.get("src_ip") if rule.source is not SourceRole.NONE else None
    finding.source_role = rule.source.value
    finding.spoofable = _spoofable(rule, facts)
    _keep(rule, wanted.episode, facts, finding, now)


def _write_flood(rule: Rule, flood: Flood, members: Mapping[int, Member], now: datetime) -> bool:
    """Write the finding that stands for all of a member's groups; gives whether it is new."""
    known = _known(rule, {ALL_GROUPS}).get((flood.who, ALL_GROUPS), [])
    episode = next(e for e in join(known, [flood.window]) if _touched(e, [flood.window]))
    before = Finding.objects.filter(pk__in=episode.known)
    evidence = Evidence(tries=flood.lines, blocked=flood.blocked, groups=flood.groups, members=1 if flood.who else 0)
    first, last = flood.first, flood.last
    for finding in before:
        first, last = min(first, finding.first_seen), max(last, finding.last_seen)
        # What a run looked at may be a part of what an earlier one saw.
        if finding.facts.groups > evidence.groups:
            evidence = finding.facts
    kept = next((f for f in before if f.pk == episode.known[0]), None)
    finding = kept or _new(rule, flood.who, ALL_GROUPS, members, now)
    finding.title = f"Too many to list one by one: {filled_for_many(rule.title, first, last)}"[:LONGEST_TITLE]
    finding.what = (
        f"This was seen {evidence.groups:,} times over, each time with another address, port or name, which is too many to "
        "list one by one. Those that stand out most have findings of their own; the lines counted here are those of the "
        f"busiest {rule.window} of each. {filled_for_many(rule.plain, first, last)}"
    )
    finding.advice_lines = [filled_for_many(line, first, last) for line in rule.advice]
    finding.source, finding.source_role = None, SourceRole.NONE.value
    finding.spoofable = rule.spoofable is not Spoofable.NEVER
    _keep(rule, episode, Figures(first, last, evidence), finding, now)
    return kept is None


def _keep(rule: Rule, episode: Episode, facts: Figures, finding: Finding, now: datetime) -> None:
    """What all findings say in the same way; opens a closed one that goes on, and closes those that became part of it."""
    if finding.status == Finding.Status.CLOSED and facts.last > finding.last_seen:
        finding.status = Finding.Status.OPEN
    finding.rule_version = rule.version
    finding.day = from_ms(episode.start).date()
    finding.severity = rule.severity_when_blocked if facts.evidence.all_blocked else rule.severity
    finding.category = rule.category
    finding.technique = rule.technique
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
