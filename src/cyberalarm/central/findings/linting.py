"""What a detection rule should also be, beyond lawful: told apart, explained, exemplified. Pure.

Readers never see the word "attack": members read of suspicious activity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from .rule import Kind, SourceRole
from .words import FACTS, allowed_placeholders, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rule import Rule

_LONGEST_WINDOW = timedelta(hours=48)
_SHORTEST_WINDOW = timedelta(minutes=1)
_SECOND_PERSON = re.compile(r"\b(you|yours?|our)\b", re.IGNORECASE)
_UNWELCOME = re.compile(r"\b(attack\w*|hack\w*)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a rule: which rule, which key, what, and what to do."""

    rule: str
    key: str
    what: str


def lint(rule: Rule) -> list[Problem]:
    """Every problem of a rule; an empty list when it is fine."""
    return [Problem(rule.id, key, what) for key, what in _problems(rule)]


def _problems(rule: Rule) -> Iterator[tuple[str, str]]:
    yield from _worded(rule)
    if not _SHORTEST_WINDOW <= rule.window <= _LONGEST_WINDOW:
        yield "window", "must be between a minute and two days"
    if rule.kind is Kind.WINDOW and rule.threshold.hours * timedelta(hours=1) > rule.window:
        yield "threshold.hours", "asks for more hours than the window has"
    if rule.source is SourceRole.VICTIM and "{src_ip}" in rule.title:
        yield "title", "names the victim as if it were the origin"
    if rule.severity_when_blocked > rule.severity:
        yield "severity_when_blocked", "is above the severity of what was not blocked"
    if rule.unless and all(condition in rule.where for condition in rule.unless):
        yield "unless", "takes out everything that the rule asks for"
    for fires in (True, False):
        if not any(example.fires is fires for example in rule.examples):
            yield "example", "needs one that fires" if fires else "needs one that stays silent"


def _worded(rule: Rule) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule's words."""
    group = allowed_placeholders(rule)
    texts: tuple[tuple[str, tuple[str, ...], frozenset[str]], ...] = (
        ("title", (rule.title,), group),
        ("plain", (rule.plain,), group | FACTS),
        ("advice", rule.advice, group | FACTS),
        ("summary", (rule.summary,), frozenset()),
    )
    for key, lines, allowed in texts:
        for line in lines:
            if strange := placeholders(line) - allowed:
                yield key, f"names {min(strange)!r}, which it cannot know"
            if found := _UNWELCOME.search(line):
                yield key, f"says {found[0]!r}; members read of suspicious activity"
    if found := _SECOND_PERSON.search(rule.summary):
        yield "summary", f"says {found[0]!r}; it is read by police, about members"
    for line in (rule.plain, rule.summary, *rule.advice, *rule.false_positives):
        if not line.endswith("."):
            yield "plain", f"is not a whole sentence: {line[:40]!r}"
