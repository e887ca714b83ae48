"""What the command line asks for: keys, backups, verification, restores. Progress is told in bytes or pieces."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cyberalarm.central.backup import listing, notes, staging, taking
from cyberalarm.central.backup.depot import depot
from cyberalarm.central.backup.errors import BackupRefusedError
from cyberalarm.central.events.engine import place_of
from cyberalarm.central.events.store import EventStore
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.keys import AnalysisKey, AnalysisPublicKey, Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.backup.listing import Manifest
    from cyberalarm.central.backup.staging import Moment
    from cyberalarm.central.config import CentralConfig

    Progress = Callable[[str, int, int], None]


def make_recovery_key(path: Path) -> Path:
    """Make a recovery key: the private half in this file, the public half beside it (`.pub`). Raises ConfigurationError."""
    public = path.with_name(f"{path.name}.pub")
    for one in (path, public):
        if one.exists():
            raise ConfigurationError(
                f"{one} is there already.", next_step="Choose another name; keep old recovery keys."
            )
    key = AnalysisKey.generate(Suite.HYBRID)
    key.save(path)
    public.write_text(key.public.to_text() + "\n", "ascii")
    return public


def public_key(config: CentralConfig) -> AnalysisPublicKey:
    """The key that backups are sealed to. Raises ConfigurationError."""
    if not config.recovery_key:
        raise ConfigurationError(
            "No recovery key is configured, and backups are never written in clear.",
            next_step="On another machine: cyberalarm central recovery-key FILE; bring FILE.pub here and name it as"
            " `recovery_key` in the configuration.",
        )
    try:
        return AnalysisPublicKey.from_text(Path(config.recovery_key).read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, KeyRefused) as error:
        raise ConfigurationError(
            f"key 'recovery_key': {config.recovery_key} does not hold a public recovery key.",
            next_step="Name the file that ends in .pub.",
        ) from error


def back_up(config: CentralConfig, place: str, progress: Progress) -> Manifest:
    """Make a backup, of a running centre or of one that does not run. Raises CyberAlarmError."""
    key, store = public_key(config), depot(place, new=True)
    with taking.alone(config.data):
        name = taking.new_name(datetime.now(UTC))
        progress("Holding the moment", 0, 1)
        with _held(config, name) as held:
            manifest = taking.take(store, config.data, name, held, key, progress)
    notes.note(config.data, manifest, listing.fingerprint(manifest))
    return manifest


@contextmanager
def _held(config: CentralConfig, name: str) -> Iterator[Moment]:
    """The moment, held by the running centre or by us; let go of at the end."""
    from cyberalarm.central import control
    from cyberalarm.central.backup import moment

    try:
        held = cast("Moment", control.ask(config.data, "backup-hold", timeout=24 * 3600.0, name=name))
    except CyberAlarmError as error:
        if error.code != "centre-not-running":
            raise
        events = EventStore.open(place_of(config))
        try:
            held = moment.hold(config, events, name)
        finally:
            events.close()
    try:
        yield held
    finally:
        staging.release(config.data, config.data / "events")


def chosen(place: str, name: str) -> Manifest:
    """The backup of this name, or the newest. Raises BackupRefusedError, BackupDamagedError."""
    store = depot(place)
    found = listing.names(store)
    if not found or (name and name not in found):
        raise BackupRefusedError(
            f"There is no backup {name} in {place}." if name else f"There is no backup in {place}.",
            next_step="cyberalarm central verify-backup PLACE --list shows what is there.",
        )
    return listing.load(store, name or found[-1])


def recovery_key(path: Path) -> AnalysisKey:
    """Raises ConfigurationError."""
    try:
        return AnalysisKey.load(path)
    except (OSError, KeyRefused) as error:
        raise ConfigurationError(f"{path} does not hold a recovery key.", next_step="Name the private half.") from error
