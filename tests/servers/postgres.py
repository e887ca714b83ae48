"""A PostgreSQL cluster of its own for a test process: Debian's programs, a temporary folder, a Unix socket, no fsync.

`CYBERALARM_TEST_POSTGRESQL=1` makes `tests/conftest.py` use it for the relational database of the whole process. The
server ends with the process, and runs as another user where the process is root's, since PostgreSQL refuses root.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

_USER = "postgres"
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
}


def programs() -> Path | None:
    """The folder with initdb and postgres of the newest version there is; None where the package is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class PostgreSQL:
    """A running cluster; `url` leads to an empty database."""

    def __init__(self) -> None:
        binaries = programs()
        assert binaries is not None, "PostgreSQL is not installed (make system)"
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="cyberalarm-pg-"))
        self._account = pwd.getpwnam(_USER) if os.geteuid() == 0 else None
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self._server: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-D", str(self.folder / "db"), "-U", "cyberalarm", "--auth=trust", "-E", "UTF8", "--no-sync"
        )
        atexit.register(self.remove)
        self.start()
        self._run("createdb", "-h", str(self.folder), "-U", "cyberalarm", "cyberalarm")

    @property
    def url(self) -> str:
        return f"postgresql://cyberalarm@/cyberalarm?host={self.folder}"

    def start(self) -> None:
        told = [part for name, value in _FAST.items() for part in ("-c", f"{name}={value}")]
        self._server = subprocess.Popen(
            [str(self._binaries / "postgres"), "-D", str(self.folder / "db"), "-k", str(self.folder), "-h", "", *told],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_user(),
        )
        self._run("pg_isready", "-h", str(self.folder), "-U", "cyberalarm", "-t", "20", tries=100)

    def stop(self) -> None:
        """At once, as when its machine ends: open connections are cut."""
        if self._server is not None:
            self._server.send_signal(3)  # SIGQUIT: immediate shutdown
            self._server.wait(20)
            self._server = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _as_user(self) -> dict[str, object]:
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "cwd": "/"} if self._account else {}

    def _run(self, program: str, *arguments: str, tries: int = 1) -> None:
        import time

        for left in range(tries, 0, -1):
            done = subprocess.run([str(self._binaries / program), *arguments], capture_output=True, **self._as_user())
            if done.returncode == 0:
                return
            if left > 1:
                time.sleep(0.1)
        raise RuntimeError(f"{program}: {done.stderr.decode()[-500:]}")
