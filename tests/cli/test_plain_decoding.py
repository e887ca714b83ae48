"""A plain `formats decode` is read without Typer, so that it starts in a moment: just as Typer reads it, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.cli import decoding
from cyberalarm.cli.nouns import app
from cyberalarm.cli.printing import ExitCode
from tests.cli.program import run

if TYPE_CHECKING:
    from pathlib import Path

DECODE = ("formats", "decode")
LATE = ("typer", "pydantic", "rich", "structlog", "asyncio", "logging", "json")
SHOW_LATE = (
    "import atexit, sys\n"
    f"atexit.register(lambda: print(*sorted(set({LATE!r}) & {{n.partition('.')[0] for n in sys.modules}}), file=sys.stderr))"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two files and a folder in it."""
    (tmp_path / "a").touch()
    (tmp_path / "b c").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("a",),
        ("-",),
        ("a", "-", "b c", "a"),
        ("--sieve",),
        ("--output", "json"),
        ("--output", "human", "a"),
        ("a", "--output", "jsonl", "b c", "--sieve"),
        ("--output", "json", "--output", "human"),
        ("--sieve", "--sieve"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_read_without_typer_is_what_typer_reads(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[decoding.Wanted] = []
    monkeypatch.setattr(decoding, "decode", asked.append)
    app([*DECODE, *words], standalone_mode=False)
    assert asked == [decoding.plain([*DECODE, *words])]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("formats",),
        ("formats", "list"),
        ("decode",),
        (*DECODE, "--help"),
        (*DECODE, "nope"),
        (*DECODE, "folder"),
        (*DECODE, ""),
        (*DECODE, "--output"),
        (*DECODE, "--output", "xml"),
        (*DECODE, "--output", "JSON"),
        (*DECODE, "--output=json"),
        (*DECODE, "--nonsense"),
        (*DECODE, "--config", "a"),
        (*DECODE, "--", "a"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_everything_else_is_left_to_typer(words: tuple[str, ...]) -> None:
    assert decoding.plain(words) is None


@pytest.mark.parametrize("words", [(), ("--output", "json"), ("-", "--output", "jsonl")])
def test_a_plain_decode_loads_nothing_that_it_does_not_need(words: tuple[str, ...]) -> None:
    told = run(*DECODE, *words, given=b"who knows\n", before=SHOW_LATE)
    assert '"unrecognised"' in told.stdout
    assert (told.code, told.stderr.strip()) == (ExitCode.DONE, "")


def test_the_look_for_late_modules_can_fail() -> None:
    told = run(*DECODE, "--output=jsonl", given=b"who knows\n", before=SHOW_LATE)
    assert {"typer", "pydantic"} <= set(told.stderr.split())


def test_an_interrupt_ends_it_as_shells_expect() -> None:
    told = run(
        *DECODE, before="import cyberalarm.cli.decoding as d\ndef decode(_): raise KeyboardInterrupt\nd.decode = decode"
    )
    assert (told.code, told.stdout, told.stderr) == (130, "", "")
