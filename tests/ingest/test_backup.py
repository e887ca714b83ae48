"""Backups of a centre at work, made anew elsewhere: whole, of one moment, sealed; damage is found and named."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from cyberalarm.central.backup import listing, restoring, services, taking
from cyberalarm.central.backup.depot import depot
from cyberalarm.central.backup.errors import BackupDamagedError, BackupRefusedError
from cyberalarm.central.commands import control_commands
from cyberalarm.central.control import Control
from cyberalarm.central.events.store import EventStore
from cyberalarm.central.ingest import quiet
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.errors import BusyError
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope.keys import AnalysisKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.config import CentralConfig
    from tests.ingest.ingest_sender import Sender

PATIENCE = 60


def _silent(_what: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture(scope="module")
def store(migrated: None) -> Iterator[EventStore]:
    found = EventStore.open(settings.CONFIG.data / "events")
    yield found
    found.close()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> CentralConfig:
    public = services.make_recovery_key(tmp_path_factory.mktemp("key") / "recovery.key")
    found: CentralConfig = settings.CONFIG.model_copy(update={"recovery_key": str(public)})
    return found


@pytest.fixture(scope="module")
def key(config: CentralConfig) -> Path:
    return Path(config.recovery_key).with_suffix("")


@pytest.fixture(scope="module")
def centre(receiving: ingest.Ingest, store: EventStore, config: CentralConfig) -> Iterator[ingest.Ingest]:
    """What receives, and the socket by which the command line asks it."""
    control = Control(config.data, control_commands(store, config))
    control.start()
    yield receiving
    control.stop()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real S3 server (rclone's) on loopback."""
    (tmp_path / "s3" / "backups").mkdir(parents=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("rclone")
    command = [
        program,
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        "tester,secret-of-tester",
        tmp_path / "s3",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-tester")
        yield f"s3://backups/centre?endpoint_override=http%3A%2F%2F127.0.0.1%3A{port}&region=us-east-1"
        server.terminate()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = [Path(sys.executable).with_name("cyberalarm"), "central", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False)


def restored(folder: Path, place: str, key: Path, *more: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "central.toml").write_text('data = "data"\n')
    return command("restore", place, "--key", key, "--config", folder / "central.toml", *more)


_COUNT = """
import sys, json
from pathlib import Path
from cyberalarm.central.events.store import EventStore
store = EventStore.open(Path(sys.argv[1]))
with store._client() as client:
    rows = client.query("select collector, sequence, count() from events group by 1, 2").result_rows
print(json.dumps([list(row) for row in rows]))
store.close()
"""


def stored_rows(data: Path) -> dict[tuple[int, int], int]:
    """Rows of each envelope in a store that nobody serves."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNT, str(data / "events")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return {(collector, sequence): rows for collector, sequence, rows in json.loads(done.stdout.splitlines()[-1])}


def receipted(data: Path) -> dict[tuple[int, int], int]:
    with closing(sqlite3.connect(data / "central.sqlite3")) as base:
        assert base.execute("select count(*) from ingest_envelope where state = 'storing'").fetchone() == (0,)
        return {
            (collector, sequence): rows
            for collector, sequence, rows in base.execute('select collector_id, sequence, "rows" from ingest_envelope')
        }


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_under_load_a_backup_is_of_one_moment(
    centre: ingest.Ingest,
    config: CentralConfig,
    key: Path,
    new_sender: Callable[[], Sender],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    """Envelopes come all the while: what has a record has its rows, what has rows has a record, originals and keys are there."""
    place = request.getfixturevalue("bucket") if kind == "s3" else str(tmp_path / "depot")
    ended = threading.Event()

    def send(sender: Sender) -> None:
        while not ended.is_set():
            envelope = sender.seal(4)
            centre.receive(envelope)
            sender.sent(envelope)

    senders = [new_sender() for _ in range(3)]
    threads = [threading.Thread(target=send, args=(one,)) for one in senders]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        first = services.back_up(config, place, _silent)
        second = services.back_up(config, place, _silent)
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert 0 < first.envelopes <= second.envelopes <= Envelope.objects.count()
    assert second.written < second.size  # what the first had is not written again
    assert not list((config.data / "events" / "shadow").glob("*/"))
    whole = command("verify-backup", place, "--key", key)
    assert whole.returncode == 0, whole.stderr
    for made in (first, second):
        folder = tmp_path / made.name
        done = restored(folder, place, key, "--name", made.name, "--fingerprint", listing.fingerprint(made))
        assert done.returncode == 0, done.stderr
        data = folder / "data"
        records = receipted(data)
        assert len(records) == made.envelopes
        ours = {collector for collector, _ in records}  # members of other tests are gone, and their rows are not
        assert {one: rows for one, rows in stored_rows(data).items() if one[0] in ours} == records
        for sender in senders:
            original = f"envelopes/{sender.enrolment.collector}/1.env"
            assert (data / original).read_bytes() == (config.data / original).read_bytes()
        for secret in ("keys/receipts.key", "keys/analysis-x25519.key", "secrets/django"):
            assert (data / secret).read_bytes() == (config.data / secret).read_bytes()


@pytest.fixture
def made(centre: ingest.Ingest, config: CentralConfig, sender: Sender, tmp_path: Path) -> listing.Manifest:
    centre.receive(sender.seal(3))
    return services.back_up(config, str(tmp_path / "depot"), _silent)


def test_damage_is_found_and_named(made: listing.Manifest, key: Path, tmp_path: Path) -> None:
    object_ = next((tmp_path / "depot" / "objects").glob("*/*"))
    raw = bytearray(object_.read_bytes())
    raw[len(raw) // 2] ^= 1
    object_.write_bytes(raw)
    said = command("verify-backup", tmp_path / "depot", "--output", "json")
    assert said.returncode == 1
    damage = json.loads(said.stdout)["damage"]
    assert [one["object"] for one in damage] == [str(object_.relative_to(tmp_path / "depot"))]
    assert damage[0]["files"]
    refused = restored(tmp_path / "new", str(tmp_path / "depot"), key)
    assert refused.returncode != 0
    assert not (tmp_path / "new" / "data").exists()
    object_.unlink()
    found = restoring.verify(depot(str(tmp_path / "depot")), made, None, _silent)
    assert "missing" in found[0].what


def test_a_changed_list_or_manifest_is_refused(made: listing.Manifest, tmp_path: Path) -> None:
    store = depot(str(tmp_path / "depot"))
    path = tmp_path / "depot" / "backups" / f"{made.name}.json"
    path.write_bytes(path.read_bytes().replace(b'"envelopes": ', b'"envelopes":  '))
    with pytest.raises(BackupDamagedError, match="not as it was written"):
        listing.load(store, made.name)
    files = tmp_path / "depot" / "backups" / f"{made.name}.list"
    files.write_bytes(files.read_bytes()[:-1])
    with pytest.raises(BackupDamagedError, match="is damaged"):
        listing.fetch(store, made, tmp_path)


def test_no_secret_is_in_clear(made: listing.Manifest, config: CentralConfig, tmp_path: Path) -> None:
    secret = json.loads((config.data / "keys" / "receipts.key").read_bytes())["private"].encode()
    for path in (tmp_path / "depot").rglob("*"):
        assert not path.is_file() or (secret not in path.read_bytes() and b"SQLite format" not in path.read_bytes())


def test_another_recovery_key_opens_nothing(made: listing.Manifest, tmp_path: Path) -> None:
    services.make_recovery_key(tmp_path / "other.key")
    done = restored(tmp_path / "new", str(tmp_path / "depot"), tmp_path / "other.key")
    assert done.returncode == 3
    assert "another recovery key" in done.stderr
    assert not (tmp_path / "new" / "data").exists()


def test_nothing_is_restored_over_anything(made: listing.Manifest, key: Path, tmp_path: Path) -> None:
    (tmp_path / "new" / "data").mkdir(parents=True)
    (tmp_path / "new" / "data" / "kept").write_text("mine")
    done = restored(tmp_path / "new", str(tmp_path / "depot"), key)
    assert (done.returncode, "restore-refused" in done.stderr) == (3, True)
    assert [p.name for p in (tmp_path / "new" / "data").iterdir()] == ["kept"]


def test_a_restore_that_was_killed_is_begun_anew(made: listing.Manifest, key: Path, tmp_path: Path) -> None:
    left = tmp_path / "new" / "data.restoring"
    left.mkdir(parents=True)
    (left / ".restoring").write_text("x")
    (left / "half").write_text("x")
    assert restored(tmp_path / "new", str(tmp_path / "depot"), key).returncode == 0
    assert not left.exists()
    assert not (tmp_path / "new" / "data" / "half").exists()


def test_another_fingerprint_is_refused(made: listing.Manifest, key: Path, tmp_path: Path) -> None:
    done = restored(tmp_path / "new", str(tmp_path / "depot"), key, "--fingerprint", "0" * 64)
    assert done.returncode == 1
    assert listing.fingerprint(made) in done.stderr


def test_a_killed_backup_holds_nothing_and_does_not_exist(
    centre: ingest.Ingest, config: CentralConfig, sender: Sender, tmp_path: Path
) -> None:
    """The copying process dies with an object half written; the next one clears up and is whole."""
    centre.receive(sender.seal(2))
    place = str(tmp_path / "depot")
    script = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from cyberalarm.central import config\n"
        "from cyberalarm.central.backup import services\n"
        "def die(what, done, total):\n"
        "    if what == 'Copying': os.kill(os.getpid(), signal.SIGKILL)\n"
        "wanted = config.load().model_copy(update={'recovery_key': sys.argv[1]})\n"
        "services.back_up(wanted, sys.argv[2], die)\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "cyberalarm.central.settings"}
    program = "import django; django.setup()\n" + script
    command = [sys.executable, "-c", program, config.recovery_key, place]
    died = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert list((config.data / "events" / "shadow").glob("*/"))
    assert listing.names(depot(place)) == []
    made = services.back_up(config, place, _silent)
    assert listing.names(depot(place)) == [made.name]
    assert not list((config.data / "events" / "shadow").glob("*/"))
    assert restoring.verify(depot(place), made, None, _silent) == []


def test_one_backup_at_a_time(config: CentralConfig, tmp_path: Path) -> None:
    with taking.alone(config.data), pytest.raises(BackupRefusedError, match="being made"):
        services.back_up(config, str(tmp_path), _silent)


def test_nothing_half_stored_is_backed_up(centre: ingest.Ingest, sender: Sender) -> None:
    centre.receive(sender.seal(1))
    Envelope.objects.filter(digest__isnull=False).update(state="storing")
    try:
        with pytest.raises(BusyError), quiet.quiet(0.1):
            pass
    finally:
        Envelope.objects.update(state="stored")
    with quiet.storing(), pytest.raises(BusyError), quiet.quiet(0.1):
        pass
    with quiet.quiet(1):
        pass


def test_without_a_recovery_key_there_is_no_backup(config: CentralConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No recovery key"):
        services.back_up(settings.CONFIG, str(tmp_path), _silent)
    key = services.make_recovery_key(tmp_path / "k").with_suffix("")
    assert AnalysisKey.load(tmp_path / "k").public.to_text() in (tmp_path / "k.pub").read_text()
    with pytest.raises(ConfigurationError, match="there already"):
        services.make_recovery_key(key)
