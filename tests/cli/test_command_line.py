"""The program as people and other programs meet it: help, wrong use, errors in words, exit codes, and what is on which stream."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cyberalarm.cli.printing import ExitCode
from tests.cli.program import MAIN, commands, environment, run, run_inside

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [words for words, _ in commands()]
HEAVY = ("django", "chdb", "pyarrow", "numpy", "uvicorn", "jinja2", "typst", "vl_convert")
SHOW_HEAVY = (
    "import atexit, sys\n"
    f"atexit.register(lambda: print(*sorted(set({HEAVY!r}) & {{n.partition('.')[0] for n in sys.modules}}), file=sys.stderr))"
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    told = run_inside(*words, "--help")
    assert (told.code, told.stderr) == (ExitCode.DONE, "")
    assert told.stdout.startswith(" ".join(("Usage: cyberalarm", *words)))
    assert "--help" in told.stdout


@pytest.mark.parametrize("words", [words for words, command in commands() if hasattr(command, "list_commands")])
def test_a_command_that_is_not_there_is_not_understood(words: tuple[str, ...]) -> None:
    told = run_inside(*words, "nonsense")
    assert (told.code, told.stdout) == (ExitCode.NOT_UNDERSTOOD, "")
    assert "No such command 'nonsense'" in told.stderr
    alone = run_inside(*words)
    assert alone.code == ExitCode.NOT_UNDERSTOOD
    assert "Commands:" in alone.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_option_that_is_not_there_is_not_understood(words: tuple[str, ...]) -> None:
    told = run_inside(*words, "--nonsense")
    assert (told.code, told.stdout) == (ExitCode.NOT_UNDERSTOOD, "")
    assert "--nonsense" in told.stderr


def test_a_slip_is_helped_with() -> None:
    assert "Did you mean 'formats'?" in run_inside("formts").stderr


def test_the_program_itself() -> None:
    told = run("--help")
    assert (told.code, told.stderr) == (ExitCode.DONE, "")
    assert told.stdout.startswith("Usage: cyberalarm ")
    assert run("--version").stdout.startswith("cyberalarm ")
    assert run("nonsense").code == ExitCode.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    "words",
    [("--help",), ("formats", "list"), ("formats", "decode", "--sieve"), ("collector", "--help"), ("lab", "--help")],
)
def test_what_a_members_machine_runs_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    told = run(*words, before=SHOW_HEAVY)
    assert (told.code, told.stderr.strip()) == (ExitCode.DONE, "")


def test_the_look_for_heavy_modules_can_fail() -> None:
    told = run("--version", before=f"{SHOW_HEAVY}\nimport django")
    assert told.stderr.strip() == "django"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("formats", "decode", "nope.log"), ExitCode.NOT_UNDERSTOOD, "'nope.log' does not exist"),
        (("collector", "run", "--check", "--config", "nope.toml"), ExitCode.FAILED, "nope.toml: cannot be read"),
        (("lab", "play", ".", "--to", "127.0.0.1:5514"), ExitCode.FAILED, "(code: lab-folder)"),
        (("scanner", "scan", "."), ExitCode.NOT_UNDERSTOOD, "is a directory"),
        (("scanner", "authority", "new", "c.json", "--member", "m", "--member-name", "M", "--accepted-by", "A", "--role",
          "R", "--target", "0x7f.1"), ExitCode.REFUSED, "(code: scanner.target.notation)"),
        (("scanner", "feeds", "list"), ExitCode.FAILED, "(code: scanner.feed)"),
        (("lab", "generate", "a-file/week"), ExitCode.FAILED, "(code: file-no-folder)"),
        (("lab", "generate", "a-file"), ExitCode.FAILED, "(code: file-exists)"),
    ],
)  # fmt: skip
def test_errors_are_words_on_stderr(words: tuple[str, ...], code: ExitCode, said: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    told = run(*words, cwd=tmp_path)
    assert (told.code, told.stdout) == (code, "")
    assert said in told.stderr
    assert "Traceback" not in told.stderr


def test_nobody_there_is_an_exit_code_of_its_own(tmp_path: Path) -> None:
    made = run("lab", "generate", "week", "--days", "0.25", "--scale", "0", cwd=tmp_path)
    assert made.code == ExitCode.DONE, made.stderr
    told = run("lab", "play", "week", "--to", "127.0.0.1:9", "--rate", "0", cwd=tmp_path)
    assert (told.code, told.stdout) == (ExitCode.NOT_REACHABLE, "")
    assert "(code: lab-receiver-gone)" in told.stderr


def test_a_folder_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    if os.access(locked, os.W_OK):  # the system lets administrators do anything, so ask a name that is too long instead
        told = run("lab", "generate", "x" * 300, cwd=tmp_path)
        assert "(code: file-name)" in told.stderr
    else:
        told = run("lab", "generate", locked / "week")
        assert "(code: not-permitted)" in told.stderr
    assert told.code == ExitCode.FAILED
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("words", [("formats", "list"), ("formats", "list", "--output", "json"), ("--help",)])
def test_a_full_disk_is_said(words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60
        )
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.decode().splitlines() == [
        "No room is left on the disk.",
        "Free some space, then try again.",
        "(code: disk-full)",
    ]


def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "formats", "list"],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.FAILED, b"")


def test_a_defect_keeps_its_traceback() -> None:
    told = run("formats", "list", before="import cyberalarm.cli.formats as f\nf.bundled = lambda: 1 / 0")
    assert told.code == 1
    assert "Traceback (most recent call last)" in told.stderr
    assert "ZeroDivisionError" in told.stderr


def test_a_part_that_is_not_installed_is_said(tmp_path: Path) -> None:
    told = run("central", "migrate", before="import sys\nsys.modules['django'] = None", cwd=tmp_path)
    assert told.code == ExitCode.FAILED
    assert "not installed: django" in told.stderr
    assert "(code: part-missing)" in told.stderr


def test_a_centres_database_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    data = tmp_path / "centre"
    data.mkdir()
    (tmp_path / "central.toml").write_text('data = "centre"\n')
    (data / "central.sqlite3").write_bytes(b"this is no database" * 200)
    told = run("central", "migrate", "--config", "central.toml", cwd=tmp_path)
    assert (told.code, told.stdout) == (ExitCode.FAILED, "")
    assert "(code: database-damaged)" in told.stderr
    (data / "central.sqlite3").unlink()
    (data / "central.sqlite3").mkdir()
    told = run("central", "migrate", "--config", "central.toml", cwd=tmp_path)
    assert (told.code, told.stdout) == (ExitCode.FAILED, "")
    assert "(code: database-missing)" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("formats", "list"),
        ("formats", "lint"),
        ("formats", "explain", "who knows"),
        ("formats", "decode", "lines"),
        ("collector", "explain", "who knows"),
        ("scanner", "explain", "CVE-2024-6387", "SSH-2.0-OpenSSH_9.2p1"),
        ("lab", "generate", "week", "--days", "0.25", "--scale", "0"),
    ],
)
def test_stdout_holds_results_only(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("who knows\nnobody\n")
    document = run(*words, "--output", "json", cwd=tmp_path)
    assert (document.code, document.stderr) == (ExitCode.DONE, "")
    told = json.loads(document.stdout)
    rows = run(*words, "--output", "jsonl", cwd=tmp_path)
    assert (rows.code, rows.stderr) == (ExitCode.DONE, "")
    assert len([json.loads(row) for row in rows.stdout.splitlines()]) == (len(told) if isinstance(told, list) else 1)
    assert run(*words, "--output", "human", cwd=tmp_path).code == ExitCode.DONE
    assert run_inside(*words, "--output", "xml").code == ExitCode.NOT_UNDERSTOOD


def test_progress_goes_to_a_terminal_on_stderr_and_never_to_stdout(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = ["lab", "generate", "week", "--days", "0.25", "--scale", "0.1", "--output", "json"]
    try:
        with subprocess.Popen(
            [sys.executable, "-c", MAIN, *command],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment(TERM="xterm"),
            cwd=tmp_path,
        ) as process:
            out, _ = process.communicate(timeout=60)
        os.set_blocking(ours, False)
        shown = os.read(ours, 1 << 20).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == ExitCode.DONE
    assert json.loads(out)["lines"] > 0
    assert "Writing lines" in shown


def test_logs_go_to_stderr(tmp_path: Path) -> None:
    before = "import atexit, structlog\natexit.register(lambda: structlog.get_logger().warning('seen.by.a.test'))"
    told = run("collector", "explain", "x", "--output", "json", before=before)
    assert json.loads(told.stdout)
    assert json.loads(told.stderr)["event"] == "seen.by.a.test"


def test_names_that_stdout_cannot_write_do_not_end_it() -> None:
    told = run("formats", "explain", "Grüße", "--output", "json", PYTHONIOENCODING="ascii")
    assert (told.code, told.stderr) == (ExitCode.DONE, "")
