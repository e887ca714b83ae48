"""Fresh Debian systems in folders, to install the package into: no compiler, no pip, nothing but what the package asks for.

A command runs in a mount namespace of its own with the folder as its root; the network is this machine's, so that a centre on
loopback can be reached. Each release is fetched from Debian's mirror once and kept below `.build/roots`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.collector.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KEPT = ROOT / ".build" / "roots"
_FRESH = 30 * 86_400.0  # seconds
_PARTS = "python3,adduser,tzdata"
# `exec`, so that a signal to the process that was started reaches the program itself.
_ENTER = 'mount -t proc proc "$1/proc" && root=$1 && shift && exec chroot $OPTIONS "$root" "$@"'


def needs() -> None:
    """Skip where a root cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("installing packages into a root needs the superuser")
    for program in ("mmdebstrap", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: make system")


def _tar(suite: str) -> Path:
    kept = KEPT / f"{suite}.tar"
    if kept.exists() and time.time() - kept.stat().st_mtime < _FRESH:
        return kept
    KEPT.mkdir(parents=True, exist_ok=True)
    made = KEPT / f"{suite}.{os.getpid()}.tar"
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={_PARTS}", suite, str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if done.returncode != 0:
        made.unlink(missing_ok=True)
        pytest.skip(f"Debian's mirror did not give {suite}: {done.stderr[-300:]}")
    made.replace(kept)
    return kept


@dataclass(frozen=True, slots=True)
class DebianRoot:
    path: Path

    @classmethod
    def make(cls, suite: str, path: Path) -> DebianRoot:
        path.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(_tar(suite)), "-C", str(path)], check=True, timeout=120)
        return cls(path)

    def _command(self, *arguments: str) -> list[str]:
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", str(self.path), *arguments]

    @staticmethod
    def _environment(user: str = "") -> dict[str, str]:
        options = f"--userspec={user}:{user}" if user else ""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "OPTIONS": options}

    def run(self, *arguments: str, given: str = "", status: int = 0) -> str:
        """Run a command to its end; what it said on both streams."""
        done = subprocess.run(
            self._command(*arguments),
            env=self._environment(),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def start(self, log: Path, user: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command as a user of the root; a signal to the process reaches the command."""
        with log.open("ab") as out:
            return subprocess.Popen(
                self._command(*arguments), env=self._environment(user), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def files(self) -> set[str]:
        """All paths, but for what dpkg keeps about packages and Python about its modules."""
        passing = ("var/lib/dpkg", "var/log", "var/cache", "var/lib/systemd", "proc", "etc/systemd", "tmp", "run")
        found = {str(path.relative_to(self.path)) for path in self.path.rglob("*")}
        return {name for name in found if not name.startswith(passing) and "__pycache__" not in name}
