"""What rests on the relational database holds on PostgreSQL as on SQLite: the same tests again, in a process with one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.postgres import programs

ROOT = Path(__file__).parents[2]
# Of each feature with tables the files that write them in most ways; whole folders run the same way by hand (docs/servers.md).
FILES = (
    "web/test_accounts.py",
    "web/test_audit.py",
    "web/test_locks.py",
    "web/test_sign_up.py",
    "ingest/test_enrolment.py",
    "ingest/test_ingest_receive.py",
    "ingest/test_ingest_processes.py",
    "ingest/test_ingest_quarantine.py",
    "ingest/test_ingest_totals.py",
    "ingest/test_ingest_hearing.py",
    "ingest/test_ingest_alarms.py",
    "jobs",
    "alarms/test_alarm_evaluating.py",
    "alarms/test_alarm_mails.py",
    "findings/test_finding_runs.py",
    "reports/test_report_making.py",
    "trends/test_trend_network.py",
)
# Long, and nothing in them asks the database for what others here do not.
WITHOUT = "not in_pieces and not ten_thousand and not devices_beyond and not bound_holds and not find_and_report"


@pytest.mark.slow
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed (make system)")
def test_the_same_holds_on_postgresql() -> None:
    left = {"CYBERALARM_CENTRAL_CONFIG", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS"}
    environment = {name: value for name, value in os.environ.items() if name not in left}
    files = [f"tests/{file}" for file in FILES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", WITHOUT, *files],
        env={**environment, "CYBERALARM_TEST_POSTGRESQL": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
