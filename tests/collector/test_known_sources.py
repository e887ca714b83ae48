"""Known sources: the file is as it promises, and nothing of it is applied but what the member chose, and then only probes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector import state as notes
from cyberalarm.collector.config import load
from cyberalarm.collector.explain import explain
from cyberalarm.collector.known_seen import KnownSeen
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.core import known_sources
from cyberalarm.core.addresses import pack, unpack
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.known_sources import Kind, chosen, operator_of, operators
from cyberalarm.core.outcome import Outcome
from tests.collector.members import blocked, let_in
from tests.collector.processes import cyberalarm
from tests.collector.test_collector_pipeline import pipeline

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from tests.collector.members import Home

FILE = Path(known_sources.__file__).with_name("known_sources.toml").read_text("utf-8")
OPERATOR = operators()["censys"]
SOURCE = str(OPERATOR.networks[0][7])


def test_the_file_has_no_faults() -> None:
    assert known_sources.faults() == []
    assert {one.kind for one in operators().values()} == set(Kind)
    assert sum(len(one.networks) for one in operators().values()) > 1000


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('"171.67.70.0/23"', '"171.67.70.1/23"', "has host bits set"),
        ('"171.67.70.0/23"', '"171.0.0.0/8"', "wider than /16"),
        ('"171.67.70.0/23"', '"192.168.70.0/23"', "not on the Internet"),
        ('"171.67.70.0/23"', '"fc00::/64"', "not on the Internet"),
        ('"171.67.70.0/23"', '"198.51.100.0/24"', "not on the Internet"),
        ('"171.67.70.0/23"', '"224.1.0.0/24"', "not on the Internet"),
        ('"171.67.70.0/23"', '"171.67.70.0/24", "171.67.71.0/24"', "could be joined"),
        ('"171.67.70.0/23"', '"171.67.70.0/23", "171.67.0.0/24"', "not in order"),
        ('"171.67.70.0/23"', '"141.212.121.0/25"', "is also"),
        ('"171.67.70.0/23",', "", "has no networks"),
        ('origin = "https://research.esrg', 'origin = "http://research.esrg', "no https address"),
        ('copy = "https://research.esrg', 'copy = "research.esrg', "no address"),
        ('name = "stanford"', 'name = "umich"', "stands after"),
        ('name = "stanford"', 'name = "research"', "its name is none"),
        ('name = "stanford"', 'name = "alpha"', "stands after"),
        ('kind = "monitor"', 'kind = "friend"', "is no kind"),
        ("checked = 2026-11-20", 'checked = "lately"', "a date is none"),
        ("dated = 2024-11-04", "datde = 2024-11-04", "has the keys"),
        ("[[operator]]", "[[operator", "not a list"),
    ],
)
def test_the_linter_finds_it(before: str, after: str, fault: str) -> None:
    assert before in FILE
    found = known_sources.faults(FILE.replace(before, after, 1))
    assert found
    assert any(fault in one for one in found), found


@given(st.sampled_from(list(operators().values())), st.data())
@settings(max_examples=200)
def test_every_address_of_an_operator_is_its_own(operator: known_sources.Operator, data: st.DataObject) -> None:
    net = data.draw(st.sampled_from(operator.networks))
    at = data.draw(st.sampled_from([0, net.num_addresses - 1]) | st.integers(0, net.num_addresses - 1))
    assert operator_of(pack(net[at])) == operator


@given(st.binary(min_size=16, max_size=16))
def test_whoever_is_found_has_the_address(raw: bytes) -> None:
    found = operator_of(raw)
    listed = [one for one in operators().values() if any(unpack(raw) in net for net in one.networks)]
    assert [found] == (listed or [None])


def configured(home: Home, known: str) -> CollectorConfig:
    text = home.path.read_text()
    home.path.write_text(text.replace("[networks]\n", f"[networks]\nknown = {known}\n"))
    return load(home.path)


def test_kinds_and_names_may_be_chosen(home: Home) -> None:
    assert home.config.networks.known == []
    assert configured(home, '["search", "ncsc"]').networks.known == ["search", "ncsc"]
    assert {one.name for one in chosen(["search", "ncsc", "googlebot"])} > {"ncsc", "googlebot", "bingbot"}
    assert chosen([]) == ()


def test_a_word_that_is_neither_is_refused_by_name(home: Home) -> None:
    with pytest.raises(ConfigurationError, match=r"networks\.known\.0.*'googelbot' is neither a kind"):
        configured(home, '["googelbot"]')


DETECTED = (
    b'<134>Nov 20 12:00:00 fw date=2026-11-20 time=12:00:00 devname="fw" devid="FGT" logid="0419016384" type="utm" '
    b'subtype="ips" eventtype="signature" level="alert" vd="root" severity="critical" srcip=SOURCE dstip=203.0.113.7 '
    b'srcport=40000 dstport=443 action="dropped" proto=6 attack="Example.Exploit" attackid=1 direction="incoming"'
)


@pytest.mark.parametrize(
    ("line", "without", "applied"),
    [
        (blocked(1, SOURCE), Outcome.KEPT, Outcome.TRUSTED),
        (blocked(1, SOURCE).replace(b"PROTO=TCP", b"PROTO=UDP"), Outcome.KEPT, Outcome.TRUSTED),
        (blocked(1, "198.51.100.9"), Outcome.KEPT, Outcome.KEPT),
        (blocked(1, SOURCE).replace(b"BLOCK", b"ALLOW").replace(b"DPT=1 ", b"DPT=3389 "), Outcome.KEPT, Outcome.KEPT),
        (
            blocked(1, SOURCE).replace(b"BLOCK", b"ALLOW").replace(b"DPT=1 ", b"DPT=443 "),
            Outcome.ROUTINE,
            Outcome.ROUTINE,
        ),
        (DETECTED.replace(b"SOURCE", SOURCE.encode()), Outcome.KEPT, Outcome.KEPT),
    ],
    ids=["blocked", "blocked UDP", "a stranger", "let in to remote desktop", "let in to a website", "detected"],
)
def test_only_what_was_blocked_is_left_out_and_only_if_chosen(
    home: Home, line: bytes, without: Outcome, applied: Outcome
) -> None:
    assert explain(home.config, line).outcome is without
    assert explain(configured(home, '["research"]'), line).outcome is applied


def test_what_is_left_out_does_not_make_its_source_suspicious(home: Home, tmp_path: Path) -> None:
    """Else the next page that a search engine reads here would be sent."""
    made = pipeline(tmp_path, config=configured(home, '["censys"]'))
    later = blocked(1, SOURCE).replace(b"BLOCK", b"ALLOW").replace(b"DPT=1 ", b"DPT=443 ")
    made.take(Chunk("gateway", blocked(1, SOURCE) + b"\n" + later + b"\n"))
    counted = made.totals.outcomes
    assert (counted[Outcome.TRUSTED], counted[Outcome.ROUTINE]) == (1, 1)


def test_explain_names_the_operator_that_is_not_chosen(home: Home) -> None:
    told = explain(home.config, blocked(1, SOURCE))
    assert "The source is Censys." in told.source
    assert "You have not chosen it (`censys` in networks.known)." in told.source
    assert "You chose" in explain(configured(home, '["censys"]'), blocked(1, SOURCE)).source
    assert explain(home.config, blocked(1)).source == ""


def test_the_lines_of_known_sources_are_seen_whoever_else_speaks(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    made.take(Chunk("gateway", b"".join(line + b"\n" for line in (blocked(1), blocked(2, SOURCE), let_in(3)))))
    assert {name: note.lines for name, note in made.known.seen.items()} == {"censys": 1}


def test_looking_costs_little_and_stays_bounded() -> None:
    now, asked = [100.0], []
    seen = KnownSeen(clock=lambda: now[0])

    class Nothing:
        def jsonl(self, first: int) -> bytes:
            return b""

    def decode(lines: bytes) -> Nothing:
        asked.append(lines)
        return Nothing()

    for _ in range(50):
        seen.saw(blocked(1) * 3 + b"\n" + (blocked(2) + b"\n") * 100, bytes(101), decode)  # type: ignore[arg-type]
    assert [lines.count(b"\n") for lines in asked] == [16], "once a second, a few lines"
    now[0] -= 3600
    seen.saw(blocked(1) + b"\n", b"\0", decode)  # type: ignore[arg-type]
    assert len(asked) == 2, "a clock that was put back stops nothing"


def test_the_command_lists_what_is_known_applied_and_seen(home: Home) -> None:
    home.data.mkdir()
    configured(home, '["monitor"]\ntrusted = ["192.0.2.0/28"]')
    config = ("--config", str(home.path))
    rows = json.loads(cyberalarm("collector", "trusted", *config, "--output", "json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert rows[0]["kind"] == "own"
    assert set(by_name) == {"192.0.2.0/28", *operators()}
    assert by_name["pingdom"]["applied"]
    assert not by_name["censys"]["applied"]
    assert by_name["censys"]["networks"] == [str(net) for net in OPERATOR.networks]
    assert by_name["censys"]["origin"].startswith("https://")
    said = cyberalarm("collector", "trusted", *config)
    assert said.returncode == 0, said.stderr
    assert "uptimerobot" in said.stdout


def test_a_note_of_before_has_seen_nobody(tmp_path: Path) -> None:
    fields = set(notes.State.model_fields)
    assert {"known_seen", "sources"} <= fields
    assert not notes.State.model_fields["known_seen"].is_required()
    assert not notes.State.model_fields["sources"].is_required()
