"""Servers that tests start as processes of their own, on loopback, and end again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from cyberalarm.central.events.engine import ClickHouseServers

if TYPE_CHECKING:
    from types import TracebackType

_PROGRAM = Path(__file__).with_name("clickhouse_http.py")


class ClickHouseHttp:
    """The ClickHouse HTTP interface in front of chDB: started, killed, started again on the same port and folder."""

    def __init__(self, folder: Path | str, password: str = "secret") -> None:
        self.folder, self.password, self.port = folder, password, 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> ClickHouseHttp:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        arguments = [sys.executable, str(_PROGRAM), str(self.folder), str(self.port), "cyberalarm", self.password]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """SIGKILL, as a machine that ends."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def plan(self, kind: str, word: str, **more: object) -> None:
        """A fault for the next statements that begin with a word, in place of any before: `lose`, `cut`, `refuse` or `slow`."""
        fields = "&".join(f"{k}={v}" for k, v in {"kind": kind, "word": word, **more}.items())
        urllib3.request("POST", f"http://127.0.0.1:{self.port}/fault?{fields}", retries=False)

    def calm(self) -> None:
        """Nothing is planned any more."""
        self.plan("none", "-")

    def seen(self, word: str) -> int:
        """Statements that began with a word since the last plan."""
        seen = urllib3.request("GET", f"http://127.0.0.1:{self.port}/seen", retries=False).json()
        return sum(text.lower().lstrip().startswith(word) for text in seen)

    def address(self, **more: object) -> ClickHouseServers:
        kept = {"user": "cyberalarm", "password": self.password, "again_after": 0.2, **more}
        return ClickHouseServers((("127.0.0.1", self.port),), **kept)  # type: ignore[arg-type]
