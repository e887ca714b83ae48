"""kill -9 at every step of storing: nothing acknowledged is lost, nothing is stored twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cyberalarm.central.config import CentralConfig
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.envelope import receipts, sealing
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.keys import SigningKey
from tests.ingest.ingest_sender import Sender

HERE = Path(__file__).parent
ENVELOPES, ROWS = 10, 40
STEPS = ["kept", "recorded", "inserted", "finished"]


def run(folder: Path, step: str = "", count: int = 0) -> int:
    environment = {**os.environ, "CYBERALARM_CENTRAL_CONFIG": str(folder / "central.toml")}
    command = [sys.executable, str(HERE / "crashing_centre.py"), str(folder), step, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    if done.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(done.stderr.decode())
    return done.returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A centre of its own with one enrolled collector, and a chain of envelopes that wait to be sent."""
    (tmp_path / "central.toml").write_text('data = "data"\n')
    environment = {**os.environ, "CYBERALARM_CENTRAL_CONFIG": str(tmp_path / "central.toml")}
    for command in (["migrate", "--verbosity=0"],):
        subprocess.run([sys.executable, "-m", "django", *command], env=environment, check=True, timeout=120)
    config = CentralConfig(data=tmp_path / "data")
    keys, key = centre_keys(config), SigningKey.generate()
    with sqlite3.connect(tmp_path / "data" / "central.sqlite3") as database:
        database.execute(
            "insert into members_member"
            " (id, reference, name, kind, force, postcode, website, status, created, decided_by)"
            " values (1, 'm-one', 'One', 'school', 'kent', '', '', 'approved', '2026-01-01', '')"
        )
        database.execute("insert into members_site (id, name, created, member_id) values (1, 'Main', '2026-01-01', 1)")
        database.execute(
            "insert into members_collector (id, reference, name, status, token_hash, public_key, version,"
            " platform, created, site_id) values"
            " (1, 'c-one', 'One', 'enrolled', '', ?, '', '', '2026-01-01', 1)",
            (key.public,),
        )
        database.execute(
            "insert into enrolment_chain (collector_id, sequence, head) values (1, 0, ?)", (sealing.FIRST_PREVIOUS,)
        )
    database.close()
    document = Enrolment("c-one", config.url, keys.receipts.public, keys.analysis_public, 1, sealing.FIRST_PREVIOUS, 0)
    sender = Sender(document, key)
    (tmp_path / "outbox").mkdir()
    (tmp_path / "receipts").mkdir()
    for number in range(1, ENVELOPES + 1):
        envelope = sender.seal(ROWS)
        (tmp_path / "outbox" / f"{number:04}.env").write_bytes(envelope)
        sender.sent(envelope)
    return tmp_path


COUNT_ROWS = """
import sys
from pathlib import Path
from cyberalarm.central.events.store import EventStore
store = EventStore.open(Path(sys.argv[1]))
print([store.bundle_rows(1, n) for n in range(1, int(sys.argv[2]) + 2)])
"""


def stored_rows(folder: Path) -> list[int]:
    """Rows of each envelope in the event store, read by a process of its own, since one process holds a
    store.
    """
    command = [sys.executable, "-c", COUNT_ROWS, str(folder / "data" / "events"), str(ENVELOPES)]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=120, text=True).stdout
    return [int(n) for n in answer.strip().strip("[]").split(",")]


def check(folder: Path) -> None:
    """Everything that has a receipt is there, once."""
    rows = stored_rows(folder)
    for path in (folder / "receipts").glob("0*"):
        assert rows[int(path.stem) - 1] == ROWS


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_and_started_again(folder: Path, step: str) -> None:
    assert run(folder, step, 2) == -signal.SIGKILL
    check(folder)
    assert run(folder, step, 1) == -signal.SIGKILL
    check(folder)
    assert run(folder) == 0
    assert stored_rows(folder) == [ROWS] * ENVELOPES + [0]
    key = centre_keys(CentralConfig(data=folder / "data")).receipts.verify_key
    for path in sorted((folder / "outbox").iterdir()):
        receipt = receipts.read((folder / "receipts" / path.stem).read_bytes(), key)
        assert receipt.envelope == sealing.digest(path.read_bytes())
    with sqlite3.connect(folder / "data" / "central.sqlite3") as database:
        states = database.execute("select state, count(*), sum(rows) from ingest_envelope group by state").fetchall()
        totals = database.execute("select kept, received from ingest_ledgertotal").fetchall()
        head = database.execute("select sequence, head from enrolment_chain").fetchone()
    database.close()
    assert states == [("stored", ENVELOPES, ENVELOPES * ROWS)]
    assert totals == [(ENVELOPES * ROWS, ENVELOPES * (ROWS + 3))]
    assert head == (ENVELOPES, sealing.digest((folder / "outbox" / f"{ENVELOPES:04}.env").read_bytes()))
