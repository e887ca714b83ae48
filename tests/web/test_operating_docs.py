"""docs/operating.md says what is true: its log lines, commands, codes and figures are the program's."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from cyberalarm.central.config import CentralConfig
from cyberalarm.central.console.acting import _ACTS
from cyberalarm.central.enrolment.problems import PROBLEMS
from cyberalarm.central.ingest.services import MOST_AT_ONCE
from cyberalarm.central.ingest.writer import MOST_WAITING
from cyberalarm.central.jobs.schedule import FIRST_WAIT, LONGEST_WAIT, late_after
from cyberalarm.central.jobs.work import default_jobs
from cyberalarm.central.portal.status import WORDS, State
from cyberalarm.central.site.health import LEAST_FREE, WARN_DAYS
from cyberalarm.cli import central as commands
from cyberalarm.envelope.certificate import LIFETIME
from cyberalarm.envelope.sealing import MAX_ENVELOPE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
PLAIN = " ".join(PAGE.split())


def test_log_lines_exist() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src" / "cyberalarm" / "central").rglob("*.py"))
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", PAGE)) - {"central.sqlite3", "receipts.key", "recovery.key"}
    assert len(named) >= 8
    for name in named:
        assert f'"{name}"' in sources, name


def test_commands_exist() -> None:
    registered = {c.name or getattr(c.callback, "__name__", "") for c in commands.app.registered_commands}
    named = set(re.findall(r"cyberalarm central ([a-z-]+)", PAGE))
    assert named
    assert named <= registered


def test_codes_exist() -> None:
    named = set(re.findall(r"`((?:chain|header|envelope|store)-[a-z-]+)`", PAGE))
    assert len(named) >= 5
    assert named <= set(PROBLEMS)


def _in_words(wait: timedelta) -> str:
    for size, word in ((timedelta(days=1), "days"), (timedelta(hours=1), "hours"), (timedelta(minutes=1), "minutes")):
        if wait >= size:
            return f"{wait // size} {word}"
    raise AssertionError(wait)


@pytest.mark.parametrize("job", default_jobs(), ids=lambda job: job.name)
def test_jobs_are_described_with_when_they_are_late(job: object) -> None:
    name, every = job.name, job.every  # type: ignore[attr-defined]
    assert f"`{name}` {_in_words(late_after(every))}" in PLAIN
    assert f"- `{name}`" in PAGE or f"`{name}`:" in PAGE


def test_figures_are_the_programs() -> None:
    for said in (
        f"{LEAST_FREE // 2**20} MiB are free",
        f"{MAX_ENVELOPE // 2**20} MiB an envelope, {MOST_AT_ONCE} envelopes in hand, {MOST_WAITING} waiting",
        f"{CentralConfig().connections_per_address} connections an address",
        f"warns {WARN_DAYS} days ahead",
        f"after {FIRST_WAIT.seconds} seconds",
    ):
        assert said in PLAIN, said
    assert timedelta(hours=1) == LONGEST_WAIT
    assert timedelta(days=2 * 365) == LIFETIME


def test_buttons_and_states_are_called_as_on_the_page() -> None:
    for act in _ACTS.values():
        assert f"*{act.button}*" in PLAIN
    assert f"*{WORDS[State.REFUSED].title[0].lower()}{WORDS[State.REFUSED].title[1:]}*" in PLAIN
