"""A pack that is wrong is refused with its file's name, the key, and a next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.formats import library, loader
from cyberalarm.formats.loader import PackError, read_pack
from tests.formats.made_up import DOOR as GOOD
from tests.kernel.decoding import NOON

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    ("an unknown key", 'vendor = "Example"', 'vendor = "Example"\nvendro = "x"', ["vendro"]),
    ("an unknown key of a line", 'syntax = "template"', 'syntax = "template"\nbegin = ["x"]', ["line.0.begin"]),
    ("an unknown key of a kind", 'name = "any"', 'name = "any"\nunless = 1', ["line.0.kind.0.unless"]),
    ("a missing key", 'setup = "None."\n', "", ["setup"]),
    ("a missing table", 'map = "action"', 'map = "actions"', ["'actions'", "[maps]", "'action'", "'any'"]),
    ("no kind", GOOD[GOOD.index("[[line.kind]]") : GOOD.index("[[example]]")], "", ["line.0", "needs `kind`"]),
    ("no example", GOOD[GOOD.index("[[example]]") :], "", ["example"]),
    ("an unknown syntax", 'syntax = "template"', 'syntax = "regex"', ["line.0.syntax"]),
    ("an unknown sensor", 'sensor = "firewall"', 'sensor = "toaster"', ["sensor"]),
    ("an unknown sensor of a kind", 'name = "any"', 'name = "any"\nsensor = "toaster"', ["line.0.kind.0.sensor"]),
    ("an unknown transport", '["udp"]', '["carrier pigeon"]', ["transports.0"]),
    ("a name with capitals", 'name = "example-door"', 'name = "Example-Door"', ["name"]),
    ("an unknown field", 'dst_ip = "dst"', 'destination = "dst"', ["'destination'", "'door'", "'any'"]),
    ("a field that is not a pack's", 'dst_ip = "dst"', 'device = "dst"', ["'device'"]),
    ("a required field that is not there", 'name = "any"', 'name = "any"\nrequire = ["url"]', ["'url'"]),
    ("an unknown capture", 'dst_ip = "dst"', 'dst_ip = "dest"', ["dest", "DstIp", "door"]),
    ("an unknown capture type", "{dst:ip}", "{dst:address}", ["address", "door"]),
    ("a bracket never closed", "[ to {dst:ip}]", "[ to {dst:ip}", ["never closed", "character"]),
    ("a capture that would take all", "{src:ip}[ to", "{src}[ to", ["needs literal text"]),
    ("an unknown key of a field", 'from = "verdict"', 'from = "verdict", regex = "x"', ["fields.action.regex"]),
    ("an empty template", '["door {verdict', '["", "door {verdict', ["line.0.templates.0"]),
    ("no template", GOOD[GOOD.index("templates") : GOOD.index("\n\n[[line.kind]]")], "", ["line.0", "needs one"]),
    ("columns of no csv", "begins =", 'columns = ["a"]\nbegins =', ["line.0", "belong to the syntax csv"]),
    ("nothing to recognise it by", 'begins = ["door "]\n', "", ["no literal to recognise"]),
    ("a value that is no action", 'shut = "blocked"', 'shut = "slammed"', ["slammed", "Action"]),
    ("a severity above 4", 'src_ip = "src"', 'src_ip = "src"\nseverity = { value = "5" }', ["severity from 0 to 4"]),
    (
        "a field from nowhere",
        'src_ip = "src"',
        "src_ip = { default = '1.2.3.4' }",
        ["line.0.kind.0.fields.src_ip", "needs `from` or `value`"],
    ),
    (
        "a value and a source",
        'src_ip = "src"',
        "src_ip = { value = '192.0.2.1', from = 'src' }",
        ["line.0.kind.0.fields.src_ip", "`value` stands alone"],
    ),
    (
        "a condition that asks for nothing",
        'name = "any"',
        'name = "any"\nwhen = { verdict = {} }',
        ["line.0.kind.0.when.verdict", "needs one of"],
    ),
    ("an outcome that there is not", 'outcome = "kept"', 'outcome = "lost"', ["example.0.outcome"]),
    ("no TOML", 'name = "example-door"', "name = ", ["not valid TOML", "line 2"]),
]


def _write(folder: Path, text: str) -> Path:
    path = folder / "door.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_pack_of_these_tests_is_right(tmp_path: Path) -> None:
    kernel = loader.build((read_pack(_write(tmp_path, GOOD)),)).kernel
    assert kernel.decode(b"door shut from 192.0.2.1", received_ms=NOON).counts()[0] == 1


@pytest.mark.parametrize(("old", "new", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_wrong_pack_names_file_and_key(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    assert GOOD.count(old) >= 1, "the case must change something"
    path = _write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(PackError) as caught:
        read_pack(path)
    assert caught.value.code == "pack-invalid"
    for words in ["door.toml", *says]:
        assert words in caught.value.what


@pytest.mark.parametrize("raw", [b"\xff\xfe", None], ids=["not UTF-8", "not there"])
def test_an_unreadable_file_is_named(tmp_path: Path, raw: bytes | None) -> None:
    path = tmp_path / "door.toml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(PackError, match=r"door\.toml: cannot be read"):
        read_pack(path)


def test_two_packs_of_one_name_are_refused() -> None:
    pack = library.bundled().packs[0]
    with pytest.raises(PackError, match=f"two packs of the name '{pack.name}'"):
        loader.build((pack, pack))


def test_asking_for_a_pack_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(PackError) as caught:
        library.bundled().pack("nobody-nothing")
    assert "fortinet-fortigate" in caught.value.next_step


def test_a_pack_may_not_ask_for_too_much(tmp_path: Path) -> None:
    names = " ".join(f"{{c{n}:word}}" for n in range(300))
    with pytest.raises(PackError, match="256 are the most"):
        read_pack(_write(tmp_path, GOOD.replace("door {verdict:word}", f"door {names} {{verdict:word}}")))
