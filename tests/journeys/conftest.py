"""A real centre in a process of its own, and a real browser, with and without scripts. Loopback only."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 90


@dataclass(frozen=True, slots=True)
class Centre:
    url: str
    folder: Path

    @property
    def mails(self) -> list[str]:
        """Every mail that the centre has written, oldest first."""
        files = sorted((self.folder / "data" / "mail").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_text("utf-8") for path in files]


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("centre")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "central.toml"
    config.write_text(f'data = "data"\nport = {port}\n')
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "journeys" / "centre.py"), str(config)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
        )  # fmt: skip
    try:
        _wait(process, f"https://127.0.0.1:{port}", folder)
        yield Centre(f"https://127.0.0.1:{port}", folder)
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    certificate = folder / "data" / "keys" / "tls-certificate.pem"
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if certificate.exists():
            try:
                trust = ssl.create_default_context(cafile=str(certificate))
                with urllib.request.urlopen(f"{url}/healthz", timeout=5, context=trust) as answer:
                    assert answer.read() == b"ok\n"
                    return
            except (OSError, urllib.error.URLError):
                pass
        time.sleep(0.1)
    pytest.fail(f"the centre did not start:\n{(folder / 'log').read_text('utf-8')[-3000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run",
            ],
        )  # fmt: skip
        yield opened
        opened.close()


@dataclass(slots=True)
class People:
    """Gives each person a browser of their own, and notes whatever the browser complains about."""

    browser: Browser
    centre: Centre
    scripts: bool
    complaints: list[str]

    def page(self) -> Page:
        context = self.browser.new_context(
            ignore_https_errors=True, java_script_enabled=self.scripts, base_url=self.centre.url
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self._elsewhere(request.url))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _elsewhere(self, url: str) -> None:
        if not url.startswith((self.centre.url, "data:")):
            self.complaints.append(f"asked another site: {url}")


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def people(request: pytest.FixtureRequest, browser: Browser, centre: Centre) -> Iterator[People]:
    found = People(browser, centre, request.param, [])
    yield found
    for context in browser.contexts:
        context.close()
    assert found.complaints == []
