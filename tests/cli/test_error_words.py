"""Which errors become words, with which code, and which keep their traceback."""

from __future__ import annotations

import errno
import io
import os

import pytest
from django.db.utils import IntegrityError, OperationalError
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.cli import app
from cyberalarm.cli.printing import ExitCode, exit_code, print_error
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError, NotReachableError, RefusedError
from cyberalarm.core.outcome import OUTCOMES, WORDS, Outcome


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CyberAlarmError("x"), ExitCode.FAILED),
        (ConfigurationError("x"), ExitCode.FAILED),
        (RefusedError("x"), ExitCode.REFUSED),
        (NotReachableError("x"), ExitCode.NOT_REACHABLE),
    ],
)
def test_an_errors_class_decides_the_exit_code(error: CyberAlarmError, code: ExitCode) -> None:
    assert app.in_words(error) is error
    assert exit_code(error) is code


@pytest.mark.parametrize("number", sorted(app._SYSTEM))
def test_what_the_system_says_is_told_with_the_files_name(number: int) -> None:
    told = app.in_words(OSError(number, os.strerror(number), "some/file"))
    assert told is not None
    assert told.what.startswith("some/file: ")
    assert told.next_step.endswith(".")
    nameless = app.in_words(OSError(number, os.strerror(number)))
    assert nameless is not None
    assert nameless.what[0].isupper()
    assert "/" not in nameless.what


def test_a_network_that_fails_is_not_reachable() -> None:
    told = app.in_words(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    assert isinstance(told, NotReachableError)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EBADF, "Bad file descriptor"),
        OSError("made up"),
        io.UnsupportedOperation("not writable"),
        ValueError("x"),
        AssertionError("x"),
        OperationalError('near "slect": syntax error'),
        IntegrityError("UNIQUE constraint failed"),
        ModuleNotFoundError("no", name="cyberalarm.nowhere"),
    ],
)
def test_defects_are_not_told_away(error: Exception) -> None:
    assert app.in_words(error) is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("unable to open database file", "database-missing"),
        ("attempt to write a readonly database", "database-read-only"),
        ("database or disk is full", "disk-full"),
        ("disk I/O error", "disk-broken"),
        ("database is locked", "database-busy"),
        ("no such table: members_member", "database-old"),
        ("no such column: x", "database-old"),
        ("database disk image is malformed", "database-damaged"),
    ],
)
def test_what_the_database_says_is_told(said: str, code: str) -> None:
    told = app.in_words(OperationalError(said))
    assert told is not None
    assert told.code == code


@given(st.text(), st.text())
def test_errors_cannot_steer_a_terminal(what: str, step: str) -> None:
    err = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", err)
        print_error(CyberAlarmError(what, next_step=step))
    assert all(c.isprintable() or c == "\n" for c in err.getvalue())
    assert err.getvalue().endswith("(code: error)\n")


def test_every_outcome_has_words_of_its_own() -> None:
    assert tuple(WORDS) == OUTCOMES
    assert len({words.name for words in WORDS.values()}) == len({w.meaning for w in WORDS.values()}) == len(OUTCOMES)
    for outcome, words in WORDS.items():
        assert ("not sent" in words.meaning) is (outcome is not Outcome.KEPT)
        assert not words.meaning.endswith(".")
        assert "attack" not in f"{words.name} {words.meaning}".lower()
