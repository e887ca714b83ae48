"""Kinds that stand once in a pack and belong to several of its lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cyberalarm.formats import lint, loader
from tests.kernel.decoding import NOON

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Pack

HEAD = """
name = "example-door"
vendor = "Example"
product = "Door"
version = 1
sensor = "firewall"
summary = "A made-up door."
transports = ["udp"]
setup = "None."

[[kind]]
name = "shut"
when = { verdict = "shut" }
fields = { src_ip = ["src", "from"], action = { value = "blocked" }, signature = [["rule", "why"]] }

[[kind]]
name = "anything else"
fields = { src_ip = ["src", "from"], action = { value = "allowed" } }
"""
PLAIN = """
[[line]]
name = "plain"
syntax = "kv"
begins = ["door verdict="]
kinds = ["*"]
"""
RENAMED = """
[[line]]
name = "renamed"
syntax = "kv"
begins = ["gate state="]
kinds = ["shut", "anything else"]
names = { verdict = "state", why = "because" }
"""
PREFIXED = """
[[line]]
name = "prefixed"
syntax = "json"
begins = ['{"door"']
kinds = ["*"]
names = { verdict = "door.state", "*" = "door.x." }
"""
REPLACED = """
[[line]]
name = "replaced"
syntax = "kv"
begins = ["hatch "]
kinds = ["*"]

[[line.kind]]
name = "anything else"
fields = { src_ip = "src", action = { value = "detected" } }

[[line.kind]]
name = "first"
noise = true
when = { test = true }
"""
EXAMPLE = """
[[example]]
line = "door verdict=shut src=192.0.2.1"
outcome = "kept"
event = { sensor = "firewall", action = "blocked", src_ip = "192.0.2.1" }
"""


def _pack(*lines: str) -> Pack:
    return loader.parse_pack("door.toml", "".join([HEAD, *lines, EXAMPLE]).encode())


def _event(line: str) -> dict[str, str]:
    kernel = loader.build((_pack(PLAIN, RENAMED, PREFIXED, REPLACED),)).kernel
    told = json.loads(kernel.decode(line.encode(), received_ms=NOON).jsonl(1))
    event: dict[str, str] = told.get("event", {"outcome": told["outcome"]})
    return event


@pytest.mark.parametrize(
    ("line", "action", "signature"),
    [
        ("door verdict=shut src=192.0.2.1 rule=7 why=late", "blocked", "7 late"),
        ("door verdict=open from=192.0.2.1", "allowed", None),
        ("gate state=shut src=192.0.2.1 rule=7 because=late why=x", "blocked", "7 late"),
        ("gate state=open from=192.0.2.1 verdict=shut", "allowed", None),
        ('{"door": {"state": "shut", "x": {"src": "192.0.2.1", "rule": 7, "why": "late"}}}', "blocked", "7 late"),
        ('{"door": {"state": "open", "x": {"from": "192.0.2.1"}}, "src": "192.0.2.2"}', "allowed", None),
    ],
)
def test_lines_share_the_packs_kinds_by_their_own_slots_names(line: str, action: str, signature: str | None) -> None:
    event = _event(line)
    assert (event["src_ip"], event["action"], event.get("signature")) == ("192.0.2.1", action, signature)


def test_a_lines_own_kind_stands_in_place_of_the_packs_and_its_others_come_first() -> None:
    assert _event("hatch verdict=shut src=192.0.2.1")["action"] == "blocked"
    assert _event("hatch verdict=open src=192.0.2.1")["action"] == "detected"
    assert _event("hatch verdict=shut src=192.0.2.1 test=1") == {"outcome": "noise"}
    names = [kind.name for kind in _pack(PLAIN, REPLACED).line[1].kind]
    assert names == ["first", "shut", "anything else"]


def test_a_kind_like_the_packs_says_only_what_is_otherwise() -> None:
    like = """
[[line]]
name = "like"
syntax = "kv"
begins = ["flap state="]
kinds = ["*"]
names = { verdict = "state" }

[[line.kind]]
name = "shut"
like = true
require = ["dst_ip"]
fields = { dst_ip = "to", action = { value = "detected" } }
"""
    kernel = loader.build((_pack(PLAIN, like),)).kernel

    def told(line: bytes) -> dict[str, object]:
        decoded: dict[str, object] = json.loads(kernel.decode(line, received_ms=NOON).jsonl(1))
        return decoded

    event = told(b"flap state=shut from=192.0.2.1 to=192.0.2.2 rule=7 why=late")["event"]
    assert event == {
        "sensor": "firewall",
        "action": "detected",
        "src_ip": "192.0.2.1",
        "dst_ip": "192.0.2.2",
        "signature": "7 late",
    }
    assert told(b"flap state=shut from=192.0.2.1 rule=7 why=late")["outcome"] == "malformed"
    with pytest.raises(loader.PackError, match="has no kind 'shut'"):
        _pack(PLAIN, like.replace('["*"]', '["anything else"]').replace('names = { verdict = "state" }', ""))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kinds = ["*"]', 'kinds = ["open"]', "line 'plain': the pack, or this line's `kinds`, has no kind 'open'"),
        ('kinds = ["*"]', 'kinds = ["*"]\nnames = { verdikt = "x" }', "none of its shared kinds has a slot 'verdikt'"),
        ('kinds = ["*"]', "", "needs `kind`"),
        ('name = "anything else"', 'name = "shut"', "one name"),
        ('name = "anything else"', 'name = "anything else"\ncolumns = ["a"]', "belong to the syntax csv"),
        ('name = "anything else"', 'name = "anything else"\nunless = 1', "kind.1.unless"),
        ('name = "anything else"', 'name = "anything else"\nlike = true', "`like` belongs to a line's own"),
    ],
)
def test_a_wrong_sharing_is_refused_and_says_where(old: str, new: str, says: str) -> None:
    text = HEAD + PLAIN + EXAMPLE
    assert old in text
    with pytest.raises(loader.PackError) as caught:
        loader.parse_pack("door.toml", text.replace(old, new, 1).encode())
    assert says in caught.value.what


def test_a_kind_that_no_line_names_is_an_issue() -> None:
    line = PLAIN.replace('["*"]', '["anything else"]')
    issues = [issue for issue in lint.lint_together((_pack(line),)) if "no line names it" in issue.what]
    assert [issue.where for issue in issues] == ["kind 'shut'"]
