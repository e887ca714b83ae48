"""`cyberalarm formats …` from outside: what other tools send in, and what they get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cyberalarm.formats import library
from tests.kernel.decoding import EXAMPLES
from tests.kernel.test_kernel_sieve import traffic

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from cyberalarm.cli.app import main; main()", "formats"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error", "COLUMNS": "200"}
LINE = traffic("198.51.100.23", "203.0.113.10", 22, "deny")


def run(*arguments: str, stdin: bytes = b"", code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*PROGRAM, *arguments], input=stdin, capture_output=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    return done


def rows(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    assert done.stderr == b""
    return [json.loads(row) for row in done.stdout.splitlines()]


def test_decode_from_standard_input_is_the_promised_object_a_line() -> None:
    found = rows(run("decode", "--output", "jsonl", stdin=f"{LINE}\nwho knows\n".encode()))
    assert found[0] == {
        "line": 1,
        "outcome": "kept",
        "product": "fortinet-fortigate",
        "event": {
            "time": "2026-11-18T11:06:40.000Z",
            "sensor": "firewall",
            "action": "blocked",
            "src_ip": "198.51.100.23",
            "src_port": 40000,
            "dst_ip": "203.0.113.10",
            "dst_port": 22,
            "protocol": "tcp",
            "evidence": "one_way",
        },
    }
    assert found[1] == {"line": 2, "outcome": "unrecognised"}


def test_decode_numbers_lines_on_over_files_and_needs_no_last_newline(tmp_path: Path) -> None:
    first, second, empty = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    first.write_bytes(f"{LINE}\n\n{LINE}".encode())
    empty.write_bytes(b"")
    second.write_bytes(b"who knows\r\n")
    found = rows(run("decode", str(first), str(empty), str(second)))
    assert [(r["line"], r["outcome"]) for r in found] == [
        (1, "kept"),
        (2, "malformed"),
        (3, "kept"),
        (4, "unrecognised"),
    ]


def test_decode_of_nothing_is_nothing() -> None:
    assert run("decode").stdout == b""


@pytest.mark.parametrize("length", [65_536, 65_537, 300_000, 9_000_000])
def test_an_over_long_line_is_one_line_and_the_next_is_read(length: int) -> None:
    found = rows(run("decode", stdin=b"x" * length + b"\n" + LINE.encode() + b"\n"))
    assert [r["outcome"] for r in found] == ["overflow" if length > 65_536 else "unrecognised", "kept"]
    assert [r["line"] for r in found] == [1, 2]


def test_lines_over_the_ends_of_pieces_stay_whole() -> None:
    many = 12_000  # of some 350 bytes: about 4.2 MB, over the end of the first piece
    found = rows(run("decode", stdin=(LINE + "\n").encode() * many))
    assert len(found) == many
    assert {r["outcome"] for r in found} == {"kept"}
    assert [r["line"] for r in found] == list(range(1, many + 1))


def test_the_sieve_is_used_only_when_asked_for() -> None:
    inside = traffic("192.168.1.1", "192.168.1.2").encode() + b"\n"
    assert rows(run("decode", stdin=inside))[0]["outcome"] == "kept"
    sieved = rows(run("decode", "--sieve", stdin=inside))[0]
    assert sieved["outcome"] == "internal"
    assert sieved["event"]["direction"] == "internal"


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_bytes((LINE + "\n").encode() * 60_000)
    with subprocess.Popen(
        [*PROGRAM, "decode", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


def test_a_file_that_is_not_there_is_said_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "decode", str(tmp_path / "missing.log")], capture_output=True, env=ENVIRONMENT, timeout=60
    )
    assert done.returncode != 0
    assert b"missing.log" in done.stderr
    assert b"Traceback" not in done.stderr


def test_list_names_every_pack() -> None:
    names = {pack.name for pack in library.bundled().packs}
    assert {row["name"] for row in json.loads(run("list", "--output", "json").stdout)} == names
    assert {row["name"] for row in rows(run("list", "--output", "jsonl"))} == names
    told = run("list").stdout.decode()
    assert all(name in told for name in names)


@pytest.mark.parametrize("line", EXAMPLES[:3])
def test_explain_shows_the_way_and_the_end(line: str) -> None:
    told = json.loads(run("explain", line, "--output", "json").stdout)
    assert next(step["step"] for step in told["steps"]) == "header"
    assert told["outcome"]
    words = run("explain", line).stdout.decode()
    assert f"Outcome: {told['outcome']}" in words


def test_explain_of_an_unknown_line() -> None:
    assert "Outcome: unrecognised   Product: none" in run("explain", "who knows").stdout.decode()


def test_lint_of_the_bundled_packs_finds_nothing() -> None:
    assert b"0 issues" in run("lint").stdout
    assert json.loads(run("lint", "--output", "json").stdout) == []


def test_lint_of_a_wrong_file_says_which_and_why_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "door.toml"
    path.write_text('name = "example-door"\n')
    done = run("lint", str(path), code=1)
    assert b"door.toml" in done.stderr
    assert b"pack-invalid" in done.stderr
    assert b"Traceback" not in done.stderr
