"""`explain`: what would become of a line, by which rule, and what would leave the site. Nothing is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.explain import explain
from cyberalarm.collector.sieve import bundled_rules
from cyberalarm.core.outcome import Outcome
from tests.collector.members import STRANGE, blocked, let_in
from tests.collector.processes import cyberalarm

if TYPE_CHECKING:
    from tests.collector.members import Home

INSIDE = blocked(1, "192.168.1.5").replace(b"DST=203.0.113.7", b"DST=192.168.1.9")


@pytest.mark.parametrize(
    ("line", "outcome", "rule"),
    [
        (blocked(1), Outcome.KEPT, "blocked on the way in"),
        (let_in(1), Outcome.ROUTINE, "let in, nothing suspicious about it"),
        (
            let_in(1).replace(b"DPT=443", b"DPT=3389"),
            Outcome.KEPT,
            "let in to a service that should not face the internet",
        ),
        (INSIDE, Outcome.INTERNAL, "inside the member's network"),
        (STRANGE, Outcome.UNRECOGNISED, ""),
        (b"x" * 70_000, Outcome.OVERFLOW, ""),
        (b"", Outcome.MALFORMED, ""),
        (b"\xff\xfe\n\0", Outcome.UNRECOGNISED, ""),
    ],
)
def test_a_line_and_its_rule(home: Home, line: bytes, outcome: Outcome, rule: str) -> None:
    told = explain(home.config, line)
    assert told.outcome is outcome
    assert told.rule.lower() == rule.lower()
    assert not rule or rule.lower() in {one.name.lower() for one in bundled_rules()}
    assert bool(told.sent) is (outcome is Outcome.KEPT)
    assert told.words.endswith(".")


def test_the_members_own_networks_decide(home: Home) -> None:
    config = home.config.model_copy(
        update={"networks": home.config.networks.model_copy(update={"trusted": ["198.51.100.0/24"]})}
    )
    assert explain(config, blocked(1)).outcome is Outcome.TRUSTED


def test_by_the_command(home: Home) -> None:
    line = blocked(1).decode()
    said = cyberalarm("collector", "explain", line, "--config", str(home.path))
    assert said.returncode == 0, said.stderr
    assert "This, and nothing else, would leave your network:" in said.stdout
    assert 'src_ip = "198.51.100.2"' in said.stdout
    told = json.loads(cyberalarm("collector", "explain", line, "--config", str(home.path), "--output", "jsonl").stdout)
    assert (told["outcome"], told["sent"]["dst_port"]) == ("kept", 1)
    assert "gateway" not in json.dumps(told["sent"]), "host names have no field to leave by"
