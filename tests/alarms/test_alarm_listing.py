"""An operator lists what is wrong at the machine's own command line, as a process of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.commands import standing_alarms
from cyberalarm.core.errors import ConfigurationError
from tests.alarms.alarm_stage import look, new_collector
from tests.cli.program import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("database")
def test_what_stands_is_listed_by_kind() -> None:
    collector = new_collector(spool_percent=90, disk_free=10)
    look()
    assert [row["kind"] for row in standing_alarms("")] == ["disk", "spool"]
    (row,) = standing_alarms("spool")
    assert (row["collector"], row["force"], row["device"]) == (collector.reference, "essex", "")
    assert "90 per cent" in row["words"]
    with pytest.raises(ConfigurationError, match="no kind of alarm"):
        standing_alarms("fire")


def test_the_command_lists_nothing_of_a_new_centre_and_says_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "central.toml").write_text('data = "centre"\n')
    told = run("central", "alarms", "--config", "central.toml", cwd=tmp_path)
    assert told.code == 1
    assert "There is no centre" in told.stderr
    assert run("central", "migrate", "--config", "central.toml", cwd=tmp_path).code == 0
    told = run("central", "alarms", "--config", "central.toml", "--output", "json", cwd=tmp_path)
    assert (told.code, json.loads(told.stdout)) == (0, [])
