"""Every bundled pack: its linter finds nothing, its examples say what they say, and it keeps to documentation addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from cyberalarm.core.outcome import Outcome
from cyberalarm.formats import library
from cyberalarm.formats.lint import REFERENCE_MS, lint
from tests.kernel.decoding import fate

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Example, Pack

PACKS = library.bundled().packs
EVERY = [(pack, example) for pack in PACKS for example in pack.example]
# RFC 5737, RFC 3849 and RFC 2544, and what is nobody's on the Internet. 8.8.8.8 and 9.9.9.9 are planted: never to be read.
SAMPLES = [
    ip_network(n)
    for n in (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",
        "2001:db8::/32",
        "10.0.0.0/8",
        "192.168.0.0/16",
        "172.16.0.0/12",
        "127.0.0.0/8",
    )
]


def test_the_linter_finds_nothing() -> None:
    assert lint() == []


@pytest.mark.parametrize(("pack", "example"), EVERY, ids=[f"{p.name}-{n}" for n, (p, _) in enumerate(EVERY)])
def test_an_example_says_what_it_says(pack: Pack, example: Example) -> None:
    found = fate(example.line, received_ms=REFERENCE_MS)
    assert (found.product, found.outcome) == (pack.name, str(example.outcome))
    if example.event:
        assert found.event == example.event


@pytest.mark.parametrize("pack", PACKS, ids=[p.name for p in PACKS])
def test_a_kept_example_tells_its_whole_event(pack: Pack) -> None:
    assert all(e.event for e in pack.example if e.outcome is Outcome.KEPT)


@pytest.mark.parametrize(("pack", "example"), EVERY, ids=[f"{p.name}-{n}" for n, (p, _) in enumerate(EVERY)])
def test_examples_hold_documentation_addresses_only(pack: Pack, example: Example) -> None:
    for text in re.findall(r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])", example.line):
        if text in {"8.8.8.8", "9.9.9.9"}:
            assert text not in map(str, example.event.values())
            continue
        address = ip_address(text)
        assert any(address in network for network in SAMPLES if network.version == 4), (pack.name, text)


@dataclass(frozen=True, slots=True)
class Wrong:
    change: dict[str, object]
    says: str


def _broken(example: Example, **change: object) -> Pack:
    pack = library.bundled().pack("oisf-suricata")
    return pack.model_copy(update={"example": [example.model_copy(update=change)]})


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong({"outcome": Outcome.NOISE}, "has the outcome kept, not noise"),
        Wrong({"line": "who knows"}, "is taken by no pack"),
        Wrong({"line": "a\nb"}, "is not exactly one line"),
        Wrong({"event": {"src_ip": "192.0.2.9"}}, "src_ip is '198.51.100.80', not '192.0.2.9'"),
    ],
    ids=lambda wrong: wrong.says,
)
def test_the_linter_says_what_is_wrong_with_an_example(wrong: Wrong) -> None:
    example = library.bundled().pack("oisf-suricata").example[0]
    issues = lint((_broken(example, **wrong.change),))
    assert any(wrong.says in str(issue) and "example 1" in str(issue) for issue in issues), issues


def test_the_linter_sees_that_another_pack_takes_a_line() -> None:
    theirs = library.bundled().pack("linux-netfilter").example[0]
    issues = lint((_broken(theirs),))
    assert "oisf-suricata: example 1: is taken by linux-netfilter" in map(str, issues)


def test_the_linter_sees_unused_tables_and_missing_examples() -> None:
    pack = library.bundled().pack("oisf-suricata")
    noise = [e for e in pack.example if e.outcome is Outcome.NOISE]
    changed = pack.model_copy(update={"maps": {**pack.maps, "spare": {"a": "b"}}, "example": noise})
    told = [str(issue) for issue in lint((changed,))]
    assert "oisf-suricata: maps.spare: no field uses this table" in told
    assert "oisf-suricata: example: no example shows a kept line with its event" in told
