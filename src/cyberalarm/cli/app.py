"""Ends the program: with words and an exit code, never with a traceback for what a person can mend.

What is no error of ours and not the operating system's or the database's word about files, disks and networks is a defect, and
keeps its traceback. Typer takes longer to load than all packs, so it is asked only where more than a plain `formats decode` is
wanted.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from cyberalarm.cli import decoding
from cyberalarm.cli.printing import ExitCode, exit_code, print_error
from cyberalarm.core.errors import CyberAlarmError, NotReachableError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130  # as shells count a program that SIGINT ended


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program's entry: run a command (of `sys.argv` if None is given) and end with its exit code."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that stdout cannot write is no reason to fail
    try:
        try:
            _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be said
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(ExitCode.FAILED)
    except Exception as error:
        told = in_words(error)
        if told is None:
            raise
        print_error(told)
        _forget_stdout()
        sys.exit(exit_code(told))
    sys.exit(ExitCode.DONE)


def _run(arguments: Sequence[str]) -> None:
    wanted = decoding.plain(arguments)
    if wanted is not None:
        decoding.decode(wanted)
        return
    from cyberalarm.cli.nouns import app

    app(arguments, prog_name="cyberalarm")


def _forget_stdout() -> None:
    """Send what stdout still holds nowhere, if it cannot be written: the interpreter would complain at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# What a member's machine is not given (deploy/debian/build.py).
_LEFT_OUT = ("cyberalarm.central", "cyberalarm.scanner", "cyberalarm.lab", "cyberalarm.cli.demo")


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "cyberalarm"


def in_words(error: Exception) -> CyberAlarmError | None:
    """An error as words for a person, or None where it is a defect that needs its traceback."""
    match error:
        case CyberAlarmError():
            return error
        case ModuleNotFoundError() if error.name and (not _is_ours(error.name) or error.name in _LEFT_OUT):
            return CyberAlarmError(
                f"A part that this command needs is not installed: {error.name}.",
                next_step='Install the parts for the centre and the scanner: pip install "cyberalarm[central,scanner]".',
                code="part-missing",
            )
        case OSError():
            return _system_words(error)
    return _database_words(error)


_PATH = "Check the path."
_RIGHTS = "Use an account that may, or name another place."
# What the operating system says about the machine and not about us: number -> (code, words, next step).
_SYSTEM = {
    errno.ENOENT: ("file-missing", "there is no such file or folder", _PATH),
    errno.EISDIR: ("file-is-folder", "this is a folder, not a file", _PATH),
    errno.ENOTDIR: ("file-no-folder", "a part of this path is not a folder", _PATH),
    errno.EEXIST: ("file-exists", "this is there already", "Name another."),
    errno.ENOTEMPTY: ("file-exists", "this folder is not empty", "Name another."),
    errno.ENAMETOOLONG: ("file-name", "this name is too long", "Name another."),
    errno.EACCES: ("not-permitted", "this account may not use it", _RIGHTS),
    errno.EPERM: ("not-permitted", "this account may not do that", _RIGHTS),
    errno.EROFS: ("disk-read-only", "the disk is read-only", "Name another place, or make the disk writable."),
    errno.ENOSPC: ("disk-full", "no room is left on the disk", "Free some space, then try again."),
    errno.EDQUOT: ("disk-full", "this account's share of the disk is used up", "Free some space, then try again."),
    errno.EFBIG: ("disk-full", "the file would become larger than is allowed here", "Name another place."),
    errno.EIO: ("disk-broken", "the disk could not be read or written", "Check the disk, and restore from a backup."),
    errno.EMFILE: ("too-many-files", "too many files are open", "Raise the limit (`ulimit -n`), then try again."),
    errno.ENFILE: ("too-many-files", "too many files are open on this machine", "End other programs, then try again."),
    errno.ENOMEM: ("memory-full", "no memory is left", "End other programs, then try again."),
    errno.EADDRINUSE: ("address-taken", "another program uses this address and port", "Name another port."),
    errno.EADDRNOTAVAIL: ("address-missing", "this machine does not have this address", "Name one of its own."),
}
_NETWORK = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


def _system_words(error: OSError) -> CyberAlarmError | None:
    if error.errno in _NETWORK:
        return NotReachableError(
            f"The other side could not be reached: {error.strerror}.", next_step="Check the network, then try again."
        )
    if error.errno not in _SYSTEM:
        return None
    code, words, step = _SYSTEM[error.errno]
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    return CyberAlarmError(f"{where}: {words}." if where else f"{words.capitalize()}.", next_step=step, code=code)


_MIGRATE = "Bring it up to date: cyberalarm central migrate."
# What SQLite says (its result codes' texts, sqlite.org/rescode.html) about the machine: part of it -> (code, words, next step).
_DATABASE = {
    "unable to open": ("database-missing", "cannot be opened", "Check that its folder is there and may be written."),
    "readonly": ("database-read-only", "cannot be written", _RIGHTS),
    "is full": ("disk-full", "has no room left on its disk", "Free some space, then try again."),
    "disk i/o error": ("disk-broken", "could not be read or written", "Check the disk, and restore from a backup."),
    "is locked": ("database-busy", "is in use by another program", "Wait for it or end it, then try again."),
    "no such table": ("database-old", "has another version's schema", _MIGRATE),
    "no such column": ("database-old", "has another version's schema", _MIGRATE),
    "malformed": ("database-damaged", "is damaged", "Restore it from a backup."),
    "not a database": ("database-damaged", "is not a database", "Check the path, or restore it from a backup."),
}


def _database_words(error: Exception) -> CyberAlarmError | None:
    """Only a command that has loaded Django can have failed in it, so this never loads it."""
    django = sys.modules.get("django.db.utils")
    if django is None or not isinstance(error, django.DatabaseError):
        return None
    said = str(error).lower()
    for part, (code, words, step) in _DATABASE.items():
        if part in said:
            return CyberAlarmError(f"The centre's database {words}.", next_step=step, code=code)
    return None
