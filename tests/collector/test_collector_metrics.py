"""Figures for Prometheus: what they say, that every one is documented, and that nobody who asks can hurt the collector."""

from __future__ import annotations

import json
import math
import os
import re
import socket
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from cyberalarm.collector import state as notes
from cyberalarm.collector.config import CollectorConfig, Metrics
from cyberalarm.collector.metrics import metrics_server
from cyberalarm.collector.metrics import server as serving
from cyberalarm.collector.metrics.exposition import CONTENT_TYPE, Kind, Metric, written
from cyberalarm.collector.metrics.figures import MOST_DEVICES, PREFIX, figures
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.outcome import Ledger
from tests.collector.members import STRANGE, Home, blocked
from tests.collector.processes import ROOT, end, start, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre


def note(number: int = 1, **changes: object) -> notes.State:
    ledger = Ledger()
    ledger.add([3, 2, 0, 0, 0, 0, 1, 0, 0])
    device = {
        "source": "192.0.2.1", "last_line": 5.0, "products": {}, "absurd_times": 0, "ledger": ledger.to_json()
    }  # fmt: skip
    made = {
        "written": 100.0, "started": 40.0, "version": "0.1.0", "listening": {"udp": [], "tcp": []},
        "spool": {"waiting": 2, "bytes": 10, "limit": 20, "oldest": 70.0},
        "shipping": {"sent": 7, "rows": 9, "last_receipt": 9, "trouble_code": "", "trouble": "", "trouble_since": 0},
        "held": False, "clock_ahead_ms": -1500, "devices": {f"d-{one}": device for one in range(number)},
    }  # fmt: skip
    return notes.State.model_validate({**made, **changes})


def read(page: bytes | str) -> dict[str, dict[tuple[str, ...], float]]:
    """Name → labels' values → value, as Prometheus' own library reads the page."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page if isinstance(page, str) else page.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def ask(address: object, request: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[str, bytes]:
    """Status line and body of an answer."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as asker:
        asker.settimeout(10)
        asker.connect(address)
        asker.sendall(request)
        said = b""
        while piece := asker.recv(65536):
            said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    return head.decode().split("\r\n")[0], body


@contextmanager
def served(listen: str = "127.0.0.1:0", state: notes.State | None = None) -> Iterator[serving.MetricsServer]:
    made = metrics_server(listen, lambda: state or note())
    assert made is not None
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_the_figures_say_what_the_note_says() -> None:
    lost = {"source": "listener 0.0.0.0:514", "last_line": 0.0, "products": {}, "absurd_times": 0, "first_heard": 0.0}
    dropped = {**Ledger().to_json(), "dropped_by_kernel": 12}
    state = note(
        troubles={"chain-gap": 2}, connections=4, intake={"bytes": 5, "limit": 6},
        packs={"release": 3, "refused_code": "release-lint"},
    )  # fmt: skip
    devices = {**state.devices, "d-listener": notes.DeviceNote.model_validate({**lost, "ledger": dropped})}
    found = read(written(figures(state.model_copy(update={"devices": devices}), now=100.0)))
    assert found[PREFIX + "lines_total"][("d-0", "kept")] == 3
    assert sum(found[PREFIX + "lines_total"].values()) == 6
    assert found[PREFIX + "dropped_datagrams_total"] == {("0.0.0.0:514",): 12}
    assert found[PREFIX + "spool_oldest_seconds"][()] == 30
    assert found[PREFIX + "clock_ahead_seconds"][()] == -1.5
    assert found[PREFIX + "troubles_total"] == {("chain-gap",): 2}
    assert found[PREFIX + "pack_release_refused"][()] == 1
    assert found[PREFIX + "resident_memory_bytes"][()] > 10_000_000


def test_no_address_is_among_them_and_made_up_senders_are_bounded() -> None:
    page = written(figures(note(MOST_DEVICES + 300)))
    assert b"192.0.2.1" not in page
    found = read(page)
    lines = found[PREFIX + "lines_total"]
    assert len({device for device, _ in lines}) == MOST_DEVICES + 1
    assert lines[("others", "kept")] == 3 * 300
    assert sum(lines.values()) == 6 * (MOST_DEVICES + 300)


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    table = (ROOT / "docs" / "collector.md").read_text("utf-8").partition("| metric | labels | meaning |")[2]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", table.partition("\n\n")[0], re.MULTILINE)
    state = note(
        troubles={"x": 1},
        alarms=[{"device": "d", "kind": "silent", "product": "", "field": "", "since": 1, "before": 1, "now": 1}],
        shipping={"sent": 0, "rows": 0, "last_receipt": 0, "trouble_code": "x", "trouble": "x", "trouble_since": 1},
        devices={
            "d-1": note().devices["d-0"],
            "d-2": note().devices["d-0"].model_copy(update={"source": "listener 0.0.0.0:514"}),
        },
    )
    made = {
        metric.name: sorted({name for sample in metric.samples for name, _ in sample.labels})
        for metric in figures(state)
    }
    assert {PREFIX + name: sorted(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == made


@given(st.text(), st.floats() | st.integers(), st.text())
def test_the_format_is_what_the_library_reads(label: str, value: float, meaning: str) -> None:
    metric = Metric("a_total", Kind.GAUGE, meaning)
    metric.add(value, some=label)
    assume_utf8 = label.encode("utf-8", "replace").decode()
    (family,) = text_string_to_metric_families(written([metric]).decode())
    (sample,) = family.samples
    assert sample.labels == {"some": assume_utf8}
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


@pytest.mark.parametrize(
    "listen",
    ["0.0.0.0:9100", "192.0.2.1:9100", "[::]:9100", "localhost:9100", "9100", "unix:relative", "unix:/" + "x" * 120],
)
def test_nowhere_but_on_this_machine(listen: str) -> None:
    with pytest.raises(ValueError, match=r"write|this machine only"):
        Metrics.model_validate({"listen": listen})


def test_off_by_default() -> None:
    assert metrics_server(CollectorConfig().metrics.listen, note) is None


def test_a_real_collector_is_scraped(home: Home, centre: FakeCentre, tmp_path: Path) -> None:
    from cyberalarm.collector.enrol import enrol

    path = tmp_path / "metrics.sock"
    with home.path.open("a") as out:
        out.write(f'[metrics]\nlisten = "unix:{path}"\n')
    enrol(home.config, centre.token().to_text())
    log = tmp_path / "log"
    process = start(log, "collector", "run", "--config", str(home.path))
    try:
        wait_for("the collector", lambda: b"collector.running" in log.read_bytes())
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.create_connection(("127.0.0.1", home.tcp)) as device:
            device.sendall(b"".join(blocked(n) + b"\n" for n in range(50)) + STRANGE + b"\n")
            wait_for("the receipt", lambda: read(ask(str(path))[1]).get(PREFIX + "receipts_total", {}).get((), 0) >= 1)
            found = read(ask(str(path))[1])
    finally:
        assert end(process) == 0
    outcomes = {outcome: value for (_, outcome), value in found[PREFIX + "lines_total"].items() if value}
    assert outcomes == {"kept": 50, "unrecognised": 1}
    assert found[PREFIX + "connections"][()] == 1
    assert abs(found[PREFIX + "clock_ahead_seconds"][()]) < 5
    assert not path.exists(), "it is taken away at the end"


def test_http_as_scrapers_speak_it() -> None:
    with served() as server:
        status, body = ask(server.address)
        assert (status, bool(read(body))) == ("HTTP/1.1 200 OK", True)
        assert ask(server.address, b"HEAD /metrics HTTP/1.0\r\n\r\n") == ("HTTP/1.1 200 OK", b"")
        assert ask(server.address, b"GET /metrics?name[]=x HTTP/1.1\n\n")[0] == "HTTP/1.1 200 OK"
        assert ask(server.address, b"GET / HTTP/1.1\r\n\r\n")[0] == "HTTP/1.1 404 Not Found"
        assert ask(server.address, b"POST /metrics HTTP/1.1\r\n\r\n")[0] == "HTTP/1.1 405 Method Not Allowed"
        assert ask(server.address, b"\x16\x03\x01\r\n\r\n")[0] == "HTTP/1.1 400 Bad Request"
        with suppress(ConnectionResetError):
            assert ask(server.address, b"GET /" + b"a" * 20_000) == ("", b"")
    assert "version=0.0.4" in CONTENT_TYPE


def test_slow_and_many_askers_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 1.0)
    with served() as server:
        slow = [socket.create_connection(server.address) for _ in range(serving.MOST * 3)]
        for one in slow:
            one.sendall(b"GET /met")
        began = time.monotonic()
        assert ask(server.address)[0] == "HTTP/1.1 200 OK"
        assert time.monotonic() - began < 1.0
        assert len(server._askers) <= serving.MOST
        wait_for("all to be let go", lambda: not server._askers, 10)
        for one in slow:
            one.close()


def test_one_who_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.5)
    with served(state=note(MOST_DEVICES)) as server, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(server.address)
        deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_for("the others", lambda: ask(server.address)[0] == "HTTP/1.1 200 OK", 5)
        wait_for("it to be let go", lambda: not server._askers, 5)


def test_a_defect_in_the_page_ends_nothing() -> None:
    pages = iter([1 / 2, None])

    def page() -> bytes:
        raise ValueError(next(pages))

    server = serving.MetricsServer("127.0.0.1:0", page)
    server.start()
    try:
        for _ in range(2):
            with socket.create_connection(server.address) as asker:
                asker.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_for("both", lambda: next(pages, "none") == "none", 5)
        assert server._thread.is_alive()
    finally:
        server.stop()


def test_places_that_cannot_be_had(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("precious")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        metrics_server(f"unix:{taken}", note)
    assert taken.read_text() == "precious"
    with socket.create_server(("127.0.0.1", 0)) as held, pytest.raises(ConfigurationError):
        metrics_server(f"127.0.0.1:{held.getsockname()[1]}", note)


def test_a_socket_that_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    before = os.umask(0o077)
    try:
        with served(f"unix:{path}"):
            assert ask(str(path))[0] == "HTTP/1.1 200 OK"
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_the_note_keeps_its_form_for_an_older_one() -> None:
    """A note that an older collector left has none of the newer figures."""
    old = json.loads(note().model_dump_json())
    for newer in ("intake", "connections", "troubles", "minimum_version"):
        del old[newer]
    del old["spool"]["oldest"]
    state = notes.State.model_validate(old)
    assert read(written(figures(state)))[PREFIX + "spool_oldest_seconds"][()] == 0
