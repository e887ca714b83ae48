"""A ClickHouse HTTP interface in front of chDB: what the client's way to a server is tested against.

    python tests/servers/clickhouse_http.py FOLDER PORT    (port 0: any; the port is printed once it listens)

It takes what clickhouse-connect sends: the statement in the body or in `query` with data in the body, `param_…` (long ones as
a form), settings,
`Content-Encoding` and `Accept-Encoding` (zstd, lz4, gzip), basic authentication; it answers with ClickHouse's statuses,
`X-ClickHouse-Exception-Code`, format, time zone and query id. The engine behind it is the real one, so statements, settings
and their errors are too.

What it has not: the native protocol's client versions, progress headers, sessions, external tables, users beside one,
several servers. `POST /fault` plans a fault for the next statements, as a network or a server in trouble would make it.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import queue
import re
import socket
import sys
import tempfile
import threading
import time
import uuid
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame
from backports import zstd

# Parameters that ClickHouse's HTTP interface itself consumes (ClickHouse documentation, "HTTP Interface").
_TRANSPORT = {
    "query", "database", "user", "password", "default_format", "query_id", "session_id", "session_timeout", "session_check",
    "quota_key", "compress", "decompress", "buffer_size", "wait_end_of_query", "client_protocol_version", "role",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
}  # fmt: skip
# ClickHouse's `exceptionCodeToHTTPStatus`: those that the tests meet; everything else is 500.
_STATUS = {
    60: 404, 81: 404, 47: 404, 46: 404, 36: 400, 62: 400, 27: 400, 53: 400, 69: 400, 159: 408, 202: 500, 241: 500,
    242: 500, 516: 403, 164: 403, 115: 404,
}  # fmt: skip
_INSERT = re.compile(rb"^\s*insert\s+into\s+(.+?)\s+format\s+(\w+)\s*(?:\n|$)", re.IGNORECASE | re.DOTALL)
_FORMAT = re.compile(rb"\bformat\s+(\w+)\s*;?\s*$", re.IGNORECASE)


class Engine:
    """Handles to one engine; each has settings of its own, which go back when its statement is done."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._idle: queue.LifoQueue[object] = queue.LifoQueue()
        self._idle.put(chdb.connect(folder))

    def run(self, statement: bytes, parameters: dict[str, str], settings: dict[str, str], database: str) -> bytes:
        try:
            handle = self._idle.get_nowait()
        except queue.Empty:
            handle = chdb.connect(self._folder)
        try:
            if database:
                handle.query(f"use `{database}`", "TabSeparated")
            for name, value in settings.items():
                handle.query(f"set {_name(name)} = {_text(value)}", "TabSeparated")
            return handle.query(statement, "TabSeparated", params=parameters).bytes() or b""
        finally:
            for name in settings:
                with contextlib.suppress(Exception):
                    handle.query(f"set {name} = default", "TabSeparated")
            if database:
                handle.query("use default", "TabSeparated")
            self._idle.put(handle)


class Fault:
    """What happens to the next statements that begin with a word: `lose` does them and closes, `cut` closes at once,
    `refuse` answers with a code, `slow` waits.
    """

    def __init__(self, asked: dict[str, str]) -> None:
        self.kind, self.word = asked["kind"], asked.get("word", "").encode()
        self.left, self.code, self.seconds = (
            int(asked.get("times", "1")),
            asked.get("code", ""),
            float(asked.get("seconds", "0")),
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    engine: ClassVar[Engine]
    login: ClassVar[str]
    faults: ClassVar[list[Fault]] = []
    seen: ClassVar[list[str]] = []
    guard: ClassVar[threading.Lock] = threading.Lock()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/ping":
            self._answer(200, b"Ok.\n")
        elif path == "/seen":
            self._answer(200, json.dumps(self.seen).encode())
        else:
            self._statement(b"")

    def do_POST(self) -> None:
        body = self._body()
        if urlsplit(self.path).path == "/fault":
            with self.guard:
                self.faults[:] = [Fault(dict(parse_qsl(urlsplit(self.path).query)))]
                self.seen.clear()
            self._answer(200, b"planned\n")
        else:
            self._statement(body)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return _unpacked(body, self.headers.get("Content-Encoding", ""))

    def _statement(self, body: bytes) -> None:
        told = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get("Authorization", "") != self.login:
            self._refuse("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
            return
        if self.headers.get_content_type() == "multipart/form-data":
            told |= _form(self.headers["Content-Type"], body)
            body = b""
        statement, data = (told["query"].encode(), body) if told.get("query") else (body, b"")
        fault = self._fault(statement)
        if fault and fault.kind == "cut":
            self._hang_up()
            return
        if fault and fault.kind == "refuse":
            self._refuse(f"Code: {fault.code}. DB::Exception: Planned by the test. (PLANNED)")
            return
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        try:
            answer, form = self._run(statement, data, told)
        except Exception as error:  # noqa: BLE001 - the engine's errors are of its own classes
            self._refuse(str(error))
            return
        if fault and fault.kind == "lose":
            self._hang_up()
            return
        self._answer(200, answer, form, compressed=told.get("enable_http_compression") == "1")

    def _run(self, statement: bytes, data: bytes, told: dict[str, str]) -> tuple[bytes, str]:
        parameters = {k.removeprefix("param_"): v for k, v in told.items() if k.startswith("param_")}
        settings = {k: v for k, v in told.items() if k not in _TRANSPORT and not k.startswith("param_")}
        database = told.get("database", "")
        insert = _INSERT.match(statement)
        if insert:
            data = data or statement[insert.end() :]
            with tempfile.NamedTemporaryFile(suffix=".insert") as file:
                file.write(data)
                file.flush()
                into, form = insert[1].decode(), insert[2].decode()
                text = f"insert into {into} from infile {_text(file.name)} format {form}"
                self.engine.run(text.encode(), parameters, settings, database)
            return b"", ""
        form = _FORMAT.search(statement)
        return self.engine.run(statement, parameters, settings, database), form[1].decode() if form else "TabSeparated"

    def _fault(self, statement: bytes) -> Fault | None:
        with self.guard:
            self.seen.append(statement[:60].decode("utf-8", "replace"))
            for fault in self.faults:
                if fault.left and statement.lstrip().lower().startswith(fault.word):
                    fault.left -= 1
                    return fault
        return None

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(self, text: str) -> None:
        code = int(found[1]) if (found := re.search(r"Code: (\d+)\.", text)) else 1002
        body = f"{text} (version 26.9.2.1)\n".encode()
        self._answer(_STATUS.get(code, 500), body, code=code)

    def _answer(
        self, status: int, body: bytes, form: str = "", *, code: int | None = None, compressed: bool = False
    ) -> None:
        encoding, body = _packed(body, self.headers.get("Accept-Encoding", "")) if compressed else ("", body)
        self.send_response(status)
        headers = {
            "Content-Length": str(len(body)),
            "Content-Encoding": encoding,
            "X-ClickHouse-Format": form,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Query-Id": str(uuid.uuid4()),
            "X-ClickHouse-Exception-Code": "" if code is None else str(code),
        }
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _form(kind: str, body: bytes) -> dict[str, str]:
    """Fields of a form: how long parameters come."""
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    parts = message.get_payload()
    return {str(p.get_param("name", header="Content-Disposition")): p.get_payload(decode=True).decode() for p in parts}


def _unpacked(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "":
            return body
        case "zstd":
            return zstd.decompress(body)
        case "lz4":
            return lz4.frame.decompress(body)
        case "gzip":
            return gzip.decompress(body)
    raise ValueError(f"encoding {encoding}")


def _packed(body: bytes, accepted: str) -> tuple[str, bytes]:
    for encoding, pack in (("zstd", zstd.compress), ("lz4", lz4.frame.compress), ("gzip", gzip.compress)):
        if encoding in accepted:
            return encoding, pack(body)
    return "", body


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError("Code: 115. DB::Exception: a setting's name is not one. (UNKNOWN_SETTING)")
    return name


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main(folder: str, port: int, user: str = "default", password: str = "") -> None:
    Handler.engine = Engine(folder)
    Handler.login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent]
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
