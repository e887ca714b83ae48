"""A real centre as a process of its own (`cyberalarm central serve`), with members provisioned as its own services do it."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm.central import control
from cyberalarm.core.errors import CyberAlarmError
from tests.collector.processes import end, python, start, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

# Makes an approved member with a site and a collector for each name, and prints references and tokens.
PROVISION = """
import json, sys
from pathlib import Path
from cyberalarm.cli.django_setup import set_up
set_up(Path(sys.argv[1]))
from cyberalarm.central.accounts.models import Role
from cyberalarm.central.accounts.services import create_police_user
from cyberalarm.central.accounts.models import User
from cyberalarm.central.enrolment.services import provision
from cyberalarm.central.members.models import Member, Site
from cyberalarm.core.places import Scope
operator = User.objects.filter(email="operator@police.example").first() or create_police_user(
    "operator@police.example", "Operator", "purple-lantern-marmalade", Scope.national(), Role.OPERATOR)
made = []
for name, force in json.loads(sys.argv[2]):
    member = Member.objects.create(name=name, kind="business", force=force, status="approved")
    collector, token = provision(Site.objects.create(member=member, name="Main"), "Collector", operator)
    made.append({"name": name, "member": member.reference, "collector": collector.reference, "token": token.to_text()})
print(json.dumps(made))
"""

# What the event store holds for each sequence, read by a process of its own once the centre has ended.
STORED_ROWS = """
import sys
from pathlib import Path
from cyberalarm.central.events.store import EventStore
store = EventStore.open(Path(sys.argv[1]))
print([store.bundle_rows(int(sys.argv[2]), n) for n in range(1, int(sys.argv[3]) + 2)])
store.close()
"""


@dataclass(frozen=True, slots=True)
class Provisioned:
    name: str
    member: str
    collector: str
    token: str


# The logs that are replayed here are from 2013 on.
KEEP = "keep_events_months = 600\nkeep_rollups_months = 600\n"


@dataclass(slots=True)
class RealCentre:
    folder: Path
    config: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path) -> RealCentre:
        folder.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "central.toml").write_text(f'data = "data"\n{KEEP}port = {port}\n')
        return cls(folder, folder / "central.toml")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        self.processes.append(start(self.log, "central", "serve", "--config", str(self.config)))
        wait_for("the centre", self.answers, 90)

    def answers(self) -> bool:
        assert self.processes[-1].poll() is None, self.log.read_text("utf-8", "replace")[-2000:]
        try:
            return control.ask(self.data, "ping", timeout=5) == "here"
        except CyberAlarmError:
            return False

    def kill(self) -> None:
        """kill -9"""
        self.processes[-1].kill()
        self.processes.pop().wait()

    def stop(self) -> None:
        """SIGTERM. The web server, once it has ended in order, hands the signal on."""
        while self.processes:
            status = end(self.processes.pop(), 90)
            assert status in {0, -signal.SIGTERM}, self.log.read_text("utf-8", "replace")[-2000:]

    def provision(self, *members: tuple[str, str]) -> list[Provisioned]:
        """A member and collector for each (name, force)."""
        return [
            Provisioned(**row)
            for row in json.loads(_last_line(python(PROVISION, str(self.config), json.dumps(members))))
        ]

    def stored(self) -> dict[str, int]:
        """Kept lines in the event store by member, asked of the running centre."""
        told = control.ask(self.data, "stored")
        assert isinstance(told, dict)
        return told

    def query(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read the relational database, also while the centre runs."""
        with closing(sqlite3.connect(f"file:{self.data / 'central.sqlite3'}?mode=ro", uri=True)) as database:
            return database.execute(statement, parameters).fetchall()

    def received(self) -> int:
        """Lines that the stored envelopes count."""
        [(lines,)] = self.query("select coalesce(sum(lines), 0) from ingest_envelope where state = 'stored'")
        assert isinstance(lines, int)
        return lines

    def rows(self, collector: int, envelopes: int) -> list[int]:
        """Rows in the event store for each of a collector's envelopes, and the one after the last; the centre must have ended."""
        return [
            int(n)
            for n in json.loads(
                _last_line(python(STORED_ROWS, str(self.data / "events"), str(collector), str(envelopes)))
            )
        ]


def _last_line(said: str) -> str:
    """Logs come first."""
    return said.splitlines()[-1]
