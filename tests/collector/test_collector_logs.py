"""The log: its level, its form, and that troubles are said once and counted."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
import structlog

from cyberalarm.collector import logs
from cyberalarm.collector import state as notes
from tests.collector.processes import cyberalarm, end, start, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.collector.service import Service
    from tests.collector.fake_centre import FakeCentre
    from tests.collector.members import Home


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    logs.TROUBLES.clear()
    yield
    structlog.configure(**before)
    logs.TROUBLES.clear()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("level", "said"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_a_level_shows_what_is_at_or_above_it_and_counts_all_troubles(level: str, said: int) -> None:
    stream = io.StringIO()
    logs.configure(level, lambda: stream)
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(f"test.{name}", code=name)
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row["level"] for row in rows] == ["debug", "info", "warning", "error"][-said:]
    assert all("timestamp" in row for row in rows)
    assert logs.TROUBLES == {"warning": 1, "error": 1}


def test_a_terminal_gets_words_and_everybody_else_json() -> None:
    stream = Terminal()
    logs.configure("info", lambda: stream)
    structlog.get_logger().info("test.hello", waiting=3)
    assert "test.hello" in stream.getvalue()
    assert not stream.getvalue().lstrip().startswith("{")


def test_an_exception_is_told_with_its_traceback() -> None:
    stream = io.StringIO()
    logs.configure("info", lambda: stream)
    try:
        json.loads("oh")
    except ValueError:
        structlog.get_logger().exception("test.failed")
    row = json.loads(stream.getvalue())
    assert "JSONDecodeError: " in row["exception"]
    assert logs.TROUBLES == {"test.failed": 1}


def test_codes_that_the_other_side_chooses_are_bounded() -> None:
    logs.configure("error", io.StringIO)
    for number in range(1000):
        structlog.get_logger().warning("test.refused", code=f"made-up-{number}")
    assert len(logs.TROUBLES) <= 201
    assert sum(logs.TROUBLES.values()) == 1000
    assert logs.TROUBLES[logs.OTHERS] == 800


def test_a_trouble_that_lasts_is_said_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    logs.configure("info", lambda: stream)
    with monkeypatch.context() as patch:
        patch.setattr(notes, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        for _ in range(5):
            service._write_state()
    service._write_state()
    assert stream.getvalue().count("state.unwritten") == 1


def test_the_level_of_the_configuration_and_of_the_command_line(
    member: Home, centre: FakeCentre, tmp_path: Path
) -> None:
    member.path.write_text(f'log_level = "warning"\n{member.path.read_text()}')
    for options, said in (((), False), (("--log-level", "info"), True)):
        log = tmp_path / f"log-{said}"
        (member.data / "state.json").unlink(missing_ok=True)
        process = start(log, "collector", "run", "--config", str(member.path), *options)
        wait_for("its note", lambda: notes.read(member.data) is not None)
        assert end(process) == 0
        assert (b"collector.running" in log.read_bytes()) is said
    odd = cyberalarm("collector", "run", "--config", str(member.path), "--log-level", "loud")
    assert (odd.returncode, "debug, info, warning, error" in odd.stderr) == (2, True)
