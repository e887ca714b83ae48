"""A small honest centre, and a collector of its own for each test. Loopback only."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.enrol import enrol
from tests.collector.fake_centre import FakeCentre
from tests.collector.members import Home, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.collector.service import Service


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[FakeCentre]:
    with FakeCentre(tmp_path / "centre") as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A collector that is not enrolled yet, with ports of its own."""
    return Home.make(tmp_path / "collector")


@pytest.fixture
def member(home: Home, centre: FakeCentre) -> Home:
    """An enrolled collector."""
    enrol(home.config, centre.token().to_text())
    return home


@pytest.fixture
def service(member: Home) -> Iterator[Service]:
    """Of an enrolled collector, not running."""
    with opened(member.config) as made:
        yield made


@pytest.fixture
def closed_port() -> int:
    """A port on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
