"""The profile of several processes: web, ingest and worker as processes of their own, on a real PostgreSQL and over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from tests.servers.postgres import PostgreSQL, programs
from tests.servers.running import ClickHouseHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed (make system)"),
    pytest.mark.slow,
]
ROOT = Path(__file__).parents[2]
PARTS = ("web", "ingest", "worker")
PROGRAM = "from cyberalarm.cli.app import main; main()"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def centre_pin(folder: Path) -> str:
    """What collectors know the centre by."""
    from cyberalarm.envelope.certificate import pin

    return pin((folder / "data" / "keys" / "tls-certificate.pem").read_bytes())


class Centre:
    """Three processes on one data folder and the same two servers."""

    def __init__(self, folder: Path, database: PostgreSQL, events: ClickHouseHttp) -> None:
        self.folder, self.database, self.events = folder, database, events
        self.ports = {part: free_port() for part in PARTS}
        (folder / "events.password").write_text("secret\n")
        for part in PARTS:
            (folder / f"{part}.toml").write_text(
                f'data = "data"\nport = {self.ports[part]}\nprofile = "server"\n'
                f'[database]\nurl = "{database.url}"\n'
                f'[event_store]\nhosts = ["http://127.0.0.1:{events.port}"]\n'
                'user = "cyberalarm"\npassword_file = "events.password"\n'
            )
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, part: str) -> None:
        log = (self.folder / f"{part}.log").open("ab")
        self.running[part] = subprocess.Popen(self.command(part), stderr=log, stdout=log, env=self.environment())
        log.close()

    def command(self, *words: str, part: str | None = None) -> list[str]:
        told = str(self.folder / f"{part or words[0]}.toml")
        return [sys.executable, "-c", PROGRAM, "central", *words, "--config", told]

    def environment(self) -> dict[str, str]:
        left = {"CYBERALARM_CENTRAL_CONFIG", "DJANGO_SETTINGS_MODULE", "CYBERALARM_TEST_POSTGRESQL"}
        return {name: value for name, value in os.environ.items() if name not in left}

    def said(self, part: str) -> str:
        return (self.folder / f"{part}.log").read_text()

    def get(self, part: str, path: str) -> int:
        pin = centre_pin(self.folder)
        https = urllib3.PoolManager(assert_fingerprint=pin, cert_reqs="CERT_NONE", retries=False, timeout=10)
        return https.request("GET", f"https://127.0.0.1:{self.ports[part]}{path}").status

    def ready(self, part: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.running[part].poll() is None, self.said(part)
            if part == "worker" and "Working" in self.said(part):
                return
            try:
                if part != "worker" and self.get(part, "/healthz") == 200:
                    return
            except (urllib3.exceptions.HTTPError, FileNotFoundError):
                pass
            time.sleep(0.2)
        raise AssertionError(self.said(part))

    def end(self, part: str, number: int = signal.SIGTERM) -> int:
        process = self.running.pop(part)
        process.send_signal(number)
        return process.wait(45)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("centre")
    database = PostgreSQL()
    with ExitStack() as ended:
        ended.callback(database.remove)
        events = ended.enter_context(ClickHouseHttp(folder / "events"))
        centre = Centre(folder, database, events)
        for part in PARTS:  # all at once: one brings the databases up to date, the others wait for it
            centre.start(part)
        ended.callback(lambda: [centre.end(part, signal.SIGKILL) for part in list(centre.running)])
        for part in PARTS:
            centre.ready(part)
        yield centre


def test_three_that_start_at_once_migrate_once(centre: Centre) -> None:
    applied = [centre.said(part).count("0001_events") for part in PARTS]
    assert sorted(applied) == [0, 0, 1]


def test_each_answers_for_its_part_only(centre: Centre) -> None:
    assert centre.get("web", "/") == 200
    assert centre.get("web", "/api/collector/v1/introduction") == 421
    assert centre.get("ingest", "/api/collector/v1/introduction") == 400, "it asks for a parameter"
    assert centre.get("ingest", "/") == 421


def test_commands_need_no_running_part(centre: Centre) -> None:
    told = subprocess.run(
        [*centre.command("status", part="web"), "--output", "json"],
        env=centre.environment(),
        capture_output=True,
        timeout=90,
    )
    rows = {row["name"]: row["good"] for row in json.loads(told.stdout)}
    assert rows["Relational database"]
    assert rows["Event store"]
    assert "Receiving" not in rows
    made = subprocess.run(
        centre.command("report", part="web"), env=centre.environment(), capture_output=True, timeout=90
    )
    assert made.returncode == 0, made.stderr


def test_the_worker_does_the_jobs(centre: Centre) -> None:
    deadline = time.monotonic() + 60
    while "jobs.done" not in centre.said("worker"):
        assert time.monotonic() < deadline, centre.said("worker")
        time.sleep(0.3)
    assert "jobs.done" not in centre.said("web")


def test_servers_that_go_and_return_are_found_again(centre: Centre) -> None:
    centre.database.stop()
    centre.events.kill()
    assert centre.get("web", "/healthz") == 503
    centre.database.start()
    centre.events.start()
    for part in PARTS:
        centre.ready(part)


@pytest.fixture
def proxied(centre: Centre, tmp_path: Path) -> Iterator[int]:
    """nginx with the configuration of deploy/centre, but for names, ports and what its version does not know."""
    port, keys = free_port(), centre.folder / "data" / "keys"
    text = (ROOT / "deploy" / "centre" / "nginx.conf").read_text()
    for written, here in {
        "web:8443": f"127.0.0.1:{centre.ports['web']}",
        "ingest:8443": f"127.0.0.1:{centre.ports['ingest']}",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http2 on;": "",
        "/var/lib/cyberalarm-centre/keys": str(keys),
        "/tmp/nginx.pid": str(tmp_path / "pid"),
        "worker_processes auto;": "worker_processes 1; daemon off; master_process off;",
        "access_log off;": f"access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};",
    }.items():
        assert written in text
        text = text.replace(written, here)
    (tmp_path / "nginx.conf").write_text(text)
    command = ["nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    running = subprocess.Popen(command)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    running.terminate()
    running.wait(10)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed (make system)")
def test_the_proxy_hands_each_part_what_is_its_own(centre: Centre, proxied: int) -> None:
    centre.ports["proxy"] = proxied
    assert centre.get("proxy", "/") == 200
    assert centre.get("proxy", "/api/collector/v1/introduction") == 400, "the ingest process asks for a parameter"


# Last: it ends them.
def test_they_end_when_asked(centre: Centre) -> None:
    assert [centre.end(part) for part in PARTS] == [0, 0, 0]
    for part in PARTS:
        assert "Ending" in centre.said(part), "the other parts end after the requests"


def test_parts_on_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "central.toml").write_text('data = "data"\n')
    command = [sys.executable, "-c", PROGRAM, "central", "web", "--config", str(tmp_path / "central.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "database.url" in done.stderr
