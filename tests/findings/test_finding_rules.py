"""The rules that ship: lawful, well written, firing and staying silent where their own examples say so."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.events.spans import Span
from cyberalarm.central.findings import rules_folder
from cyberalarm.central.findings.compiling import explain
from cyberalarm.central.findings.detecting import figures, hits, shown
from cyberalarm.central.findings.errors import RuleError, UnknownRuleError
from cyberalarm.central.findings.examples import events_of, length_of
from cyberalarm.central.findings.linting import lint
from cyberalarm.central.findings.rules_folder import parse, rule, rules
from cyberalarm.central.findings.words import filled
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore

START = datetime(2026, 11, 2, tzinfo=UTC)
NATIONAL = Scope.national()
EXAMPLES = [(r.id, at) for r in rules().values() for at in range(len(r.examples))]
DOCUMENT = Path(__file__).parents[2] / "docs" / "detections.md"


def text_of(name: str) -> str:
    return files(rules_folder.__package__).joinpath("rules").joinpath(f"{name}.toml").read_text("utf-8")


@pytest.mark.parametrize(("name", "at"), EXAMPLES)
def test_a_rule_fires_and_stays_silent_as_its_examples_say(name: str, at: int, store: EventStore) -> None:
    tried = rule(name)
    example = tried.examples[at]
    store.insert(events_of(example, START))
    span = Span(START, START + length_of(example))
    found = hits(store, tried, NATIONAL, span)
    assert bool(found) is example.fires, example.name
    wanted = [(hit.group, min(w[0] for w in hit.windows), max(w[1] for w in hit.windows)) for hit in found]
    for hit, facts in zip(found, figures(store, tried, NATIONAL, wanted), strict=True):
        assert facts is not None
        assert facts.evidence.tries >= tried.threshold.tries
        assert facts.evidence.members >= tried.threshold.members
        assert not re.search(r"[{}]", filled(tried.title, shown(tried, hit.group)))


@pytest.mark.parametrize(("name", "at"), [(n, at) for n, at in EXAMPLES if rule(n).examples[at].fires])
def test_a_rule_looks_only_within_its_scope(name: str, at: int, store: EventStore) -> None:
    tried = rule(name)
    example = tried.examples[at]
    store.insert(events_of(example, START))
    span = Span(START, START + length_of(example))
    assert hits(store, tried, Scope.of_member(99), span) == []
    assert hits(store, tried, Scope.of_force("cumbria"), span) == []


@pytest.mark.parametrize("name", rules())
def test_a_rule_is_well_written(name: str) -> None:
    assert lint(rule(name)) == []
    assert rule(name).id in explain(rule(name))


def test_every_rule_is_documented() -> None:
    rows = {line.split("`")[1]: line for line in DOCUMENT.read_text("utf-8").splitlines() if line[:3] == "| `"}
    assert set(rows) == set(rules())
    for name, described in rules().items():
        assert described.technique in rows[name]
        asked = described.threshold
        for number in (asked.distinct, asked.members, asked.hours):
            assert not number or f" {number} " in rows[name]
        if not asked.distinct:
            assert f" {asked.tries} line" in rows[name]


def test_a_rule_that_names_nobody_the_wrong_thing() -> None:
    """A reflector's requests come from the victim's forged address: that address is never the origin."""
    assert rule("amplification-reflector").source.value == "victim"
    assert rule("amplification-victim").source.value == "none"


def test_a_text_is_contained_in_capitals_or_not_and_never_as_a_pattern(store: EventStore) -> None:
    start = events_of(rule("malware-test-file").examples[0], START)
    names = ["EICAR", "x eiCar y", "e%car", "e.car", "eica", "éicar"]
    at = start.schema.get_field_index("threat")
    store.insert(pa.concat_tables([start.set_column(at, "threat", pa.array([name])) for name in names]))
    span = Span(START, START + length_of(rule("malware-test-file").examples[0]))
    assert [hit.group.parts for hit in hits(store, rule("malware-test-file"), NATIONAL, span)] == [
        ("EICAR",),
        ("x eiCar y",),
    ]
    assert len(hits(store, rule("malware"), NATIONAL, span)) == 4


def test_an_explanation_says_what_is_left_out() -> None:
    said = explain(rule("port-scan"))
    assert "and not of those where all of these hold:\n  protocol is 17\n  src_port is one of " in said


def test_an_unknown_rule_says_which_there_are() -> None:
    with pytest.raises(UnknownRuleError) as raised:
        rule("no-such-rule")
    assert "port-scan" in str(raised.value)


BREAKS = [
    ("an unknown key", "version = 1", "version = 1\nsurprise = 1", "surprise"),
    ("an unknown field", 'field = "dst_port"', 'field = "url"', "where"),
    ("an unknown enum name", 'is = "inbound"', 'is = "sideways"', "where"),
    ("two operators", 'is = "inbound"', 'is = "inbound", given = true', "where"),
    ("a text for a number", "is = 22", 'is = "22"', "where"),
    ("containing a number", 'field = "dst_port", is = 22', 'field = "dst_port", contains = "222"', "where"),
    ("containing next to nothing", 'field = "dst_port", is = 22', 'field = "threat", contains = "e"', "where"),
    ("an unknown field to leave out", "group_by", 'unless = [{ field = "url", is = "x" }]\ngroup_by', "unless"),
    ("an unknown set to leave out", "group_by", 'unless = [{ field = "src_port", in = "@x" }]\ngroup_by', "unless"),
    ("a strange lower severity", 'severity = "high"', 'severity = "high"\nseverity_when_blocked = "none"', "severity"),
    ("an unknown set", "is = 22", 'in = "@evil_ports"', "where"),
    ("grouping by a list", '["src_ip", "dst_ip"]', '["cve"]', "group_by"),
    ("grouping by SQL", '["src_ip", "dst_ip"]', '["src_ip) or (1"]', "group_by"),
    ("a source that it does not know", '["src_ip", "dst_ip"]', '["dst_ip"]', "source"),
    ("distinct without a threshold", 'window = "30m"', 'window = "30m"\ndistinct = "dst_port"', "distinct"),
    ("a strange category", 'category = "guessing"', 'category = "evil"', "category"),
    ("a strange window", 'window = "30m"', 'window = "soon"', "window"),
    ("another name than its file", 'id = "ssh-guessing"', 'id = "ssh-guessed"', "id"),
    ("a threshold of nothing", "tries = 30", "tries = 0", "tries"),
]


@pytest.mark.parametrize(("what", "old", "new", "key"), BREAKS, ids=[b[0] for b in BREAKS])
def test_the_loader_is_strict(what: str, old: str, new: str, key: str) -> None:
    good = text_of("ssh-guessing")
    assert old in good, what
    with pytest.raises(RuleError) as raised:
        parse("ssh-guessing.toml", good.replace(old, new, 1))
    assert "ssh-guessing.toml" in str(raised.value)
    assert key in str(raised.value)


@given(st.text())
def test_the_loader_only_raises_rule_errors(text: str) -> None:
    with pytest.raises(RuleError):
        parse("any.toml", text)


@given(at=st.integers(0, 3000), cut=st.integers(1, 60))
def test_the_loader_is_total_on_damaged_rules(at: int, cut: int) -> None:
    good = text_of("ssh-guessing")
    at %= len(good)
    try:
        parse("ssh-guessing.toml", good[:at] + good[at + cut :])
    except RuleError:
        return


LINTED = [
    ("title", 'title = "Repeated', 'title = "{threat} repeated'),
    ("title", 'title = "Repeated', 'title = "Attack: repeated'),
    ("threshold.hours", "tries = 30 }", "tries = 30, hours = 3 }"),
    ("window", 'window = "30m"', 'window = "30s"'),
    ("plain", 'programs that guess passwords do."', 'programs that guess passwords do"'),
    ("example", "fires = false", "fires = true"),
    ("summary", 'summary = "One', 'summary = "Your'),
    ("summary", 'summary = "One address', 'summary = "{src_ip}'),
    ("title", 'title = "Repeated', 'title = "{when} repeated'),
    ("severity_when_blocked", 'severity = "high"', 'severity = "high"\nseverity_when_blocked = "critical"'),
    ("unless", "group_by", 'unless = [{ field = "direction", is = "inbound" }]\ngroup_by'),
]


@pytest.mark.parametrize(("key", "old", "new"), LINTED)
def test_lint_finds_what_is_lawful_and_bad(key: str, old: str, new: str) -> None:
    good = text_of("ssh-guessing")
    assert old in good
    assert key in [problem.key for problem in lint(parse("ssh-guessing.toml", good.replace(old, new)))]


@given(st.text(), st.text())
def test_hostile_text_in_a_title_stays_text(threat: str, signature: str) -> None:
    title = filled("Malware {threat} by {signature}", {"threat": threat, "signature": signature})
    assert title == f"Malware {threat or '(not named)'} by {signature or '(not named)'}"
