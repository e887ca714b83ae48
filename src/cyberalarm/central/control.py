"""How the command line reaches a running centre: a local socket in the data folder, readable by its owner only.

One process owns the event store, so what needs it has to be asked of that process. A request is one line of JSON with a
`command`; the answer is one line: `{"result": …}` or `{"error": {"code", "what", "next_step"}}`. No network is involved.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import structlog
from django.db import close_old_connections

from cyberalarm.core.errors import CyberAlarmError, NotReachableError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Command = Callable[[Mapping[str, object]], object]

log = structlog.get_logger(__name__)

_SOCKET = "control.sock"
_LONGEST_REQUEST = 64 * 1024
_LONGEST_ANSWER = 8 * 1024 * 1024


@contextmanager
def _address(data: Path) -> Iterator[str]:
    """The socket's path in a form that is short enough for any folder (a socket's path may have 107 bytes only)."""
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{_SOCKET}"
    finally:
        os.close(folder)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    commands: Mapping[str, Command]


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        answer = _answer(self.server.commands, self.rfile.readline(_LONGEST_REQUEST))
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def _answer(commands: Mapping[str, Command], line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
        command = commands[request["command"]]
    except (ValueError, KeyError, TypeError):
        return {"error": {"code": "control-unknown", "what": "The centre does not know this command.", "next_step": ""}}
    close_old_connections()
    try:
        return {"result": command(request)}
    except CyberAlarmError as error:
        refused = isinstance(error, RefusedError)
        return {"error": {"code": error.code, "what": error.what, "next_step": error.next_step, "refused": refused}}
    except Exception as error:
        log.exception("control.failed", command=request["command"], error=type(error).__name__)
        return {"error": {"code": "internal", "what": "The centre failed at this.", "next_step": "See its log."}}
    finally:
        close_old_connections()


class Control:
    """The serving side. `start` listens in a thread until `stop`."""

    def __init__(self, data: Path, commands: Mapping[str, Command]) -> None:
        self._path = data / _SOCKET
        self._path.unlink(missing_ok=True)  # the event store's lock says that nobody else serves here
        before = os.umask(0o177)
        try:
            with _address(data) as address:
                self._server = _Server(address, _Handler)
        finally:
            os.umask(before)
        self._server.commands = commands
        self._thread = Thread(target=self._server.serve_forever, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


def ask(data: Path, command: str, *, timeout: float = 600.0, **parameters: object) -> object:
    """Ask the centre that serves this data folder. Raises NotReachableError when none does, CyberAlarmError for its refusals."""
    try:
        with _address(data) as address, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(timeout)
            client.connect(address)
            client.sendall(json.dumps({"command": command, **parameters}).encode() + b"\n")
            with client.makefile("rb") as answer:
                line = answer.readline(_LONGEST_ANSWER)
        told = json.loads(line)
    except TimeoutError as error:
        raise NotReachableError(
            f"The centre that runs on this data folder has not answered within {timeout:.0f} seconds.",
            next_step="Try again later; its log says what it is doing.",
            code="centre-slow",
        ) from error
    except PermissionError as error:
        raise CyberAlarmError(
            "This account may not speak with the centre on this data folder.",
            next_step="Use the account that the centre runs as.",
            code="not-permitted",
        ) from error
    except (OSError, ValueError) as error:
        raise NotReachableError(
            "No centre is running on this data folder.",
            next_step="Start it: cyberalarm central serve",
            code="centre-not-running",
        ) from error
    if "error" in told:
        refused = told["error"]
        kind = RefusedError if refused.get("refused") else CyberAlarmError
        raise kind(refused["what"], next_step=refused["next_step"], code=refused["code"])
    return told["result"]
