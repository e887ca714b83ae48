"""A centre whose relational database is PostgreSQL, backed up by the command line and restored into an empty database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.postgres import PostgreSQL, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed (make system)")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    found = PostgreSQL()
    found._run("createdb", "-h", str(found.folder), "-U", "cyberalarm", "second")
    yield found
    found.remove()


def central(*arguments: object, expected: int = 0) -> str:
    program = [Path(sys.executable).with_name("cyberalarm"), "central", *map(str, arguments)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expected, done.stderr
    return done.stdout + done.stderr


def configured(folder: Path, url: str) -> Path:
    folder.mkdir()
    (folder / "central.toml").write_text(f'recovery_key = "../recovery.key.pub"\n[database]\nurl = "{url}"\n')
    return folder / "central.toml"


def emails(server: PostgreSQL, database: str) -> str:
    query = ["-h", str(server.folder), "-U", "cyberalarm", "-Atc", "select email from accounts_user", database]
    return subprocess.run(["psql", *query], capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_backup_holds_the_database_and_is_restored_into_an_empty_one(server: PostgreSQL, tmp_path: Path) -> None:
    central("recovery-key", tmp_path / "recovery.key")
    first = configured(tmp_path / "first", server.url)
    central("migrate", "--config", first)
    user = ["police-user", "op@police.example", "Operator", "national", "--config", first]
    program = [Path(sys.executable).with_name("cyberalarm"), "central", *map(str, user)]
    subprocess.run(program, input="purple-lantern-marmalade\n", text=True, timeout=120, check=True)
    central("backup", tmp_path / "depot", "--config", first)
    restore = ("restore", tmp_path / "depot", "--key", tmp_path / "recovery.key", "--config")
    # An occupied database is left alone, and the last step is done again once there is an empty one.
    second = configured(tmp_path / "second", server.url)
    assert "not empty" in central(*restore, second, expected=3)
    second.write_text(second.read_text().replace("/cyberalarm?", "/second?"))
    central(*restore, second)
    assert emails(server, "second") == emails(server, "cyberalarm") == "op@police.example\n"
    assert "not empty" in central(*restore, second, expected=3)
