"""The check of a configuration: all mistakes at once, with lines and next steps; warnings for what is hardly meant."""

from __future__ import annotations

import json
import os
import socket
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector import checking, machine
from cyberalarm.collector.checking import Severity, check
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.receive.sections import WatchedFile
from cyberalarm.core.toml_places import nearest, places
from tests.collector.processes import ROOT, cyberalarm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.collector.checking import Remark

GOOD = """\
spool_bytes = 67108864
[listen]
udp = ["127.0.0.1:5514"]
tcp = []
receive_buffer = 65536
[networks]
own = ["198.51.100.8/29"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "collector.toml"


def remarks(file: Path, text: str) -> tuple[Remark, ...]:
    file.write_text(text)
    return check(file).remarks


def told(file: Path, text: str) -> list[tuple[str, int | None]]:
    return [(remark.key, remark.line) for remark in remarks(file, text)]


def test_a_good_one_has_no_remarks_and_is_what_load_gives(file: Path) -> None:
    from cyberalarm.collector.config import load

    assert remarks(file, GOOD) == ()
    assert check(file).config == load(file)


def test_every_mistake_is_told_at_once_with_its_line(file: Path) -> None:
    text = (
        "bundle_seconds = 0\n"
        "tme_zone = 'UTC'\n"
        "# udp = nonsense = in a comment\n"
        "[listen]\n"
        "udp = [\n  '0.0.0.0:514',\n  'nowhere',\n]\n"
        "tcp_conections = 5\n"
        "[networks]\n"
        'own = "203.0.113.0/29"\n'
        "[packs]\nlog_level = 'info'\n"
    )
    found = {remark.key: remark for remark in remarks(file, text)}
    assert {key: remark.line for key, remark in found.items()} == {
        "bundle_seconds": 1,
        "tme_zone": 2,
        "listen.udp.1": 5,
        "listen.tcp_conections": 9,
        "networks.own": 11,
        "packs.log_level": 13,
    }
    assert {remark.severity for remark in found.values()} == {Severity.MISTAKE}
    assert "'time_zone'" in found["tme_zone"].next_step
    assert "'tcp_connections'" in found["listen.tcp_conections"].next_step
    assert "in front of the first [section]" in found["packs.log_level"].next_step
    assert found["bundle_seconds"].what == "This must be greater than or equal to 1."
    assert check(file).config is None


def test_a_key_in_front_of_its_section_is_sent_there(file: Path) -> None:
    (remark,) = remarks(file, "udp = []\n")
    assert (remark.key, remark.next_step) == ("udp", "It belongs under [listen].")


@pytest.mark.parametrize("content", [b"a = \xff", b"a = [1,\n", b"= 5", b"[" * 5000])
def test_what_is_not_toml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    (remark,) = check(file).remarks
    assert remark.severity is Severity.MISTAKE
    assert remark.next_step


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('["198.51.100.8/29"]', "[]", "networks.own", "None of your public addresses"),
        ('["198.51.100.8/29"]', '["203.0.113.0/29"]', "networks.own", "the example's network"),
        ('["198.51.100.8/29"]', '["0.0.0.0/0"]', "networks.own", "far wider"),
        ("[networks]", '[networks]\ntrusted = ["0.0.0.0/0"]', "networks.trusted", "nothing at all would be sent"),
        ("[networks]", '[networks]\ntrusted = ["192.0.0.0/8"]', "networks.trusted", "16,777,216 addresses"),
        ("[networks]", '[networks]\ntrusted = ["2001:db8::/20"]', "networks.trusted", "nothing that they do"),
        ("spool_bytes = 67108864", 'spool_bytes = 67108864\ntime_zone = "Etc/UTC"', "time_zone", "British time"),
        ("spool_bytes = 67108864", "spool_bytes = 1000000000000000", "spool_bytes", "are free on its disk"),
        ('udp = ["127.0.0.1:5514"]', "udp = []", "listen.udp", "Nothing is listened to"),
    ],
)
def test_lawful_but_hardly_meant(file: Path, old: str, new: str, key: str, words: str) -> None:
    (file.parent / "collector-data").mkdir(mode=0o700)
    assert old in GOOD
    (remark,) = remarks(file, GOOD.replace(old, new))
    assert (remark.severity, remark.key) == (Severity.WARNING, key)
    assert words in remark.what
    assert remark.next_step
    assert not check(file).mistakes


def test_addresses_that_cannot_be_listened_on(file: Path) -> None:
    text = GOOD.replace('["127.0.0.1:5514"]', '["203.0.113.77:514", "127.0.0.1:5514", "127.0.0.1:5514"]')
    words = [remark.what for remark in remarks(file, text) if remark.severity is Severity.MISTAKE]
    assert any("203.0.113.77" in word and "Cannot assign" in word for word in words)
    assert any("named twice" in word for word in words)


def test_rights_that_the_account_has_not(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "may_bind_low_ports", lambda: False)
    monkeypatch.setattr(machine, "first_open_port", lambda: 1024)
    monkeypatch.setattr(machine, "most_receive_buffer", lambda: 4096)
    keys = [remark.key for remark in remarks(file, GOOD.replace(":5514", ":514"))]
    assert keys == ["listen.udp", "listen.receive_buffer"]


def test_files_and_folders_that_others_may_read_or_change(file: Path) -> None:
    file.write_text(f'proxy = "http://me:secret@proxy.example:3128"\n{GOOD}')
    (file.parent / "collector-data").mkdir(mode=0o700)
    file.chmod(0o600)
    assert check(file).remarks == ()
    file.chmod(0o646)
    (file.parent / "collector-data").chmod(0o755)
    words = " ".join(f"{remark.what} {remark.next_step}" for remark in check(file).remarks)
    for word in ("may change this file", "proxy's password", "may look into", "chmod 700"):
        assert word in words
    assert "secret" not in words


def test_the_commands_end_with_1_for_mistakes_only(file: Path) -> None:
    file.write_text("bundle_seconds = 0\nlog_level = 'loud'\n")
    bad = cyberalarm("collector", "check", "--config", str(file), "--output", "json")
    assert bad.returncode == 1
    assert [(one["key"], one["line"]) for one in json.loads(bad.stdout)] == [("bundle_seconds", 1), ("log_level", 2)]
    file.write_text('time_zone = "UTC"\n')
    warned = cyberalarm("collector", "run", "--check", "--config", str(file))
    assert warned.returncode == 0
    assert warned.stdout.startswith("The configuration is good.\nwarning")
    assert f"{file}:1: key 'time_zone'" in warned.stdout


def test_the_delivered_example_has_one_thing_left_to_do() -> None:
    delivered = ROOT / "deploy" / "collector" / "collector.toml"
    remark = next(one for one in check(delivered).remarks if one.key == "networks.own")
    assert "example's network" in remark.what
    assert not check(delivered).mistakes


def test_every_key_is_documented() -> None:
    page = (
        (ROOT / "docs" / "configuration.md").read_text("utf-8").partition("## The collector")[2].partition("\n## ")[0]
    )
    sections = ("listen", "tls", "networks", "packs", "metrics", "drop")
    entries = ("files.", "device.")  # keys of entries, of which there may be several
    missing = [
        key
        for key in (".".join(parts) for parts, _ in checking.known_keys())
        if key not in sections and f"| `{key}` |" not in page and not key.startswith(entries)
    ]
    assert missing == []
    files = page.partition("| key of `[[files]]` |")[2]
    assert all(f"| {key} |" in files for key in WatchedFile.model_fields)


def test_what_the_machine_says_of_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        endpoint = f"127.0.0.1:{held.getsockname()[1]}"
        assert f"(process {os.getpid()})" in machine.holder(machine.Listener("tcp", endpoint))
        assert machine.holder(machine.Listener("udp", endpoint)) == ""
    assert machine.address_trouble("127.0.0.1") == machine.address_trouble("::") == ""
    assert machine.synchronised() in {True, False, None}
    assert [one.endpoint for one in machine.listeners(CollectorConfig())] == ["0.0.0.0:514", "0.0.0.0:514"]


VALUES = (
    "1",
    "true",
    '"a # b"',
    "'x = 1'",
    "[1,\n 2, # ]\n 3]",
    '"""\nk = 1\n[t]\n"""',
    "{ a = [1, 2] }",
    "'''\n]'''",
    "1979-05-27",
)
NAMES = st.sampled_from(["alpha", "be_ta", "gam-ma", '"odd. name"', "4"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for number in range(draw(st.integers(0, 4))):
        if number:
            lines.append(draw(st.sampled_from([f"[t{number}]", f"[[list]] # {number}", f"[ t{number} . deep ]"])))
        for name in draw(st.lists(NAMES, unique=True, max_size=4)):
            lines.append(draw(st.sampled_from(["", "# note = 1", "  "])))
            lines.append(f"{draw(st.sampled_from(['', '  ']))}{name} = {draw(st.sampled_from(VALUES))}")
    return "\n".join(lines)


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, (*path, key))


@settings(deadline=None)
@given(documents())
def test_places_are_where_the_keys_stand(text: str) -> None:
    table = tomllib.loads(text)
    found = places(text)
    lines = text.split("\n")
    for path in leaves({key: one for key, one in table.items() if key != "list"}):
        if path in found:
            name = str(path[-1])
            assert name in lines[found[path] - 1], (path, found[path])
        else:
            assert nearest(found, path) is not None, path
    for path, line in found.items():
        value: object = table
        for part in path:
            value = value[part]  # type: ignore[index]  # every place is of something that is there
        assert 1 <= line <= len(lines)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab=.[]{}\"'#\\\n \t1"), max_size=200))
def test_places_are_total(text: str) -> None:
    for line in places(text).values():
        assert 1 <= line <= text.count("\n") + 1
