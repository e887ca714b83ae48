"""The check of a centre's configuration: all mistakes at once, with lines and next steps; it changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyberalarm.central import checking
from cyberalarm.central.checking import Severity, check
from cyberalarm.central.config import CentralConfig
from cyberalarm.envelope.keys import AnalysisKey, Suite

GOOD = """\
data = "data"
public_url = "https://centre.police.uk"
contact = "cyber@force.police.uk"
email_host = "mail.force.police.uk"
email_from = "cyber@force.police.uk"
recovery_key = "recovery.pub"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "recovery.pub").write_text(AnalysisKey.generate(Suite.CLASSIC).public.to_text())
    return tmp_path / "central.toml"


def told(file: Path, text: str) -> list[tuple[str, int | None, str]]:
    file.write_text(text)
    return [(one.key, one.line, one.severity.value) for one in check(file)]


def test_a_good_one_has_no_mistakes_and_nothing_is_made(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_LITTLE_ROOM", 0)
    assert told(file, GOOD) == []
    assert sorted(path.name for path in file.parent.iterdir()) == ["central.toml", "recovery.pub"]


def test_every_mistake_is_told_at_once_with_its_line(file: Path) -> None:
    text = 'prot = 8443\nport = 99999\n\npublic_url = "http://x"\nrelease_keys = ["x"]\nmetrics = "perhaps"\n'
    assert told(file, text) == [
        (key, line, "mistake")
        for key, line in (("prot", 1), ("port", 2), ("public_url", 4), ("release_keys", 5), ("metrics", 6))
    ]
    assert "'port'" in check(file)[0].next_step


@pytest.mark.parametrize(
    ("line", "key", "severity"),
    [
        ('data = "recovery.pub/x"', "data", "mistake"),
        ('host = "192.0.2.1"', "host", "mistake"),
        ('public_url = "https://localhost"', "public_url", "warning"),
        ('recovery_key = ""', "recovery_key", "warning"),
        ('recovery_key = "central.toml"', "recovery_key", "mistake"),
        ('recovery_key = "nowhere"', "recovery_key", "mistake"),
        ('country_database = "nowhere"', "country_database", "mistake"),
        ('email_host = ""', "email_host", "warning"),
        ('contact = "a@example.org"', "contact", "warning"),
        ("trend_minimum_members = 9", "source_list_minimum_members", "warning"),
    ],
)
def test_what_is_wrong_is_named(file: Path, line: str, key: str, severity: str) -> None:
    name = line.partition(" ")[0]
    text = "".join(one for one in GOOD.splitlines(keepends=True) if not one.startswith(f"{name} ")) + line + "\n"
    found = {one[0]: one[2] for one in told(file, text)}
    assert found.get(key) == severity
    assert all(one.next_step and one.what for one in check(file))


@pytest.mark.parametrize("raw", [b"\xff", b"port = ", b"[[[", b"x" * 100])
def test_what_cannot_be_read_is_one_mistake(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    (only,) = check(file)
    assert only.severity is Severity.MISTAKE
    assert check(file.parent / "nowhere.toml")[0].severity is Severity.MISTAKE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(CentralConfig.model_fields)), st.integers() | st.text("ab/", max_size=5)))
def test_any_values_are_judged_without_a_crash(file: Path, table: dict[str, int | str]) -> None:
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()))
    assert all(one.what for one in check(file))


def test_the_command_says_all_and_ends_with_a_code(file: Path) -> None:
    file.write_text("prot = 1\nport = 0\n")
    program = [Path(sys.executable).with_name("cyberalarm"), "central", "check", "--config", file]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "central.toml:1 prot" in done.stdout
    assert "central.toml:2 port" in done.stdout
