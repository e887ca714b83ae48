"""The local socket between command line and centre: what a person reads when the centre cannot be asked."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central import control
from cyberalarm.central.control import Control
from cyberalarm.core.errors import CyberAlarmError, NotReachableError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_centre_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotReachableError) as said:
        control.ask(tmp_path, "status")
    assert said.value.code == "centre-not-running"


def test_a_centre_that_is_busy_is_not_said_to_be_away(tmp_path: Path) -> None:
    """Who reads that none runs would start another one."""
    let_go = Event()
    serving = Control(tmp_path, {"slow": lambda _: let_go.wait(30), "quick": lambda _: "here"})
    serving.start()
    try:
        with pytest.raises(CyberAlarmError) as said:
            control.ask(tmp_path, "slow", timeout=0.2)
        assert said.value.code == "centre-slow"
        assert control.ask(tmp_path, "quick") == "here"
    finally:
        let_go.set()
        serving.stop()


def test_a_folder_of_another_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cyberalarm.central.control.os.open", refused)
    with pytest.raises(CyberAlarmError) as said:
        control.ask(tmp_path, "status")
    assert said.value.code == "not-permitted"
