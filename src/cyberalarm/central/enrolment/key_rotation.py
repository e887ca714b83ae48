"""Replacing the centre's own keys without losing a collector.

- An *analysis key* is replaced at once: collectors take the new one from their next status, and the old one goes on opening what
  was sealed to it.
- The *receipt key* and the *certificate* are announced first and used after `NOTICE`, so that collectors which run accept both
  meanwhile. One that was away for all of it asks for an introduction (`envelope.rotation`), which the old receipt key's own word
  leads to.

Invariants
- A crash at any step leaves the keys of before or the new ones, and the same command may be repeated.
- The word by which a receipt key names its successor is on the disk before the successor is used.
- Each act has its row in the audit. `by` is the person who does it; None is an operator at the machine's console.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.central.enrolment import keys as stored
from cyberalarm.central.enrolment.errors import ActRefusedError
from cyberalarm.central.enrolment.keys import CERTIFICATE, NEXT, SUCCESSIONS, TLS_KEY
from cyberalarm.envelope import certificate
from cyberalarm.envelope.files import sync_folder, write_secret
from cyberalarm.envelope.keys import SigningKey, Suite
from cyberalarm.envelope.rotation import succession

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.config import CentralConfig

log = structlog.get_logger(__name__)

# As long as a registration token is good, so that none that was shown before the announcement is still good after the change.
NOTICE = timedelta(days=14)


class CentreKey(StrEnum):
    """What can be replaced."""

    ANALYSIS = "analysis"
    RECEIPTS = "receipts"
    CERTIFICATE = "certificate"


_FILES = {CentreKey.RECEIPTS: "receipts.key", CentreKey.CERTIFICATE: CERTIFICATE}


def rotate(
    config: CentralConfig, which: CentreKey, by: User | None, why: str, *, now: bool = False, files: Path | None = None
) -> datetime | None:
    """Replace a key, or announce its successor; `now` uses what was announced, or was not, at once. Gives when the change will
    come, None when it was made. `files` is a folder with a certificate of the operator's own. Raises ActRefusedError.
    """
    if not why.strip():
        raise ActRefusedError("A reason is needed.", next_step="Say why, in a few words.")
    stored.centre_keys(config)
    with stored.alone(stored.folder_of(config)):
        announced = which is not CentreKey.ANALYSIS and since(config, which) is not None
        if announced and not now:
            raise ActRefusedError(
                "Another one is announced already.",
                next_step=f"It comes into use by itself on {due(config, which):%d %B %Y}, or now with --now.",
            )
        if which is not CentreKey.ANALYSIS and not announced:
            _announce(config, which, by, why, files)
        if now or which is CentreKey.ANALYSIS:
            _carry_out(config, which, by, why)
    stored.changed(config)
    return None if now or which is CentreKey.ANALYSIS else due(config, which)


def carry_out_due(config: CentralConfig, at: datetime) -> list[CentreKey]:
    """Use what was announced long enough ago; gives what was changed. A job does it."""
    changed: list[CentreKey] = []
    stored.centre_keys(config)
    with stored.alone(stored.folder_of(config)):
        for which in _FILES:
            when = due(config, which)
            if when is not None and at >= when:
                _carry_out(config, which, None, "The time of notice is over.")
                changed.append(which)
    if changed:
        stored.changed(config)
    return changed


def since(config: CentralConfig, which: CentreKey) -> datetime | None:
    """When the successor was announced."""
    try:
        announced = (stored.folder_of(config) / NEXT / _FILES[which]).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(announced, UTC)


def due(config: CentralConfig, which: CentreKey) -> datetime | None:
    """When the announced successor comes into use by itself."""
    announced = since(config, which)
    return announced + NOTICE if announced else None


def _announce(config: CentralConfig, which: CentreKey, by: User | None, why: str, files: Path | None) -> None:
    folder = stored.folder_of(config) / NEXT
    with transaction.atomic():
        audit.record(by, Action.CENTRE_KEY_ANNOUNCED, f"key:{which}", why)
        if which is CentreKey.RECEIPTS:
            SigningKey.generate().save(folder / _FILES[which])
        elif files is not None:
            _copy_certificate(files, folder)
        else:
            folder.mkdir(mode=0o700, exist_ok=True)
            certificate.make(folder, stored.names_of(config))
    log.info("centre_key.announced", key=str(which))


def _copy_certificate(source: Path, folder: Path) -> None:
    """Raises ActRefusedError unless the two files are there and belong together."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(source / CERTIFICATE, source / TLS_KEY)
        write_secret(folder / TLS_KEY, (source / TLS_KEY).read_bytes())
        write_secret(folder / CERTIFICATE, (source / CERTIFICATE).read_bytes(), mode=0o644)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise ActRefusedError(
            f"{source} does not hold a certificate and its key.",
            next_step=f"Put {CERTIFICATE} and {TLS_KEY} there, in PEM form, readable by the centre's account.",
        ) from error


def _carry_out(config: CentralConfig, which: CentreKey, by: User | None, why: str) -> None:
    folder = stored.folder_of(config)
    with transaction.atomic():
        audit.record(by, Action.CENTRE_KEY_CHANGED, f"key:{which}", why)
        match which:
            case CentreKey.ANALYSIS:
                _retire_analysis(folder, config)
            case CentreKey.RECEIPTS:
                _use_receipts(folder)
            case CentreKey.CERTIFICATE:
                (folder / NEXT / TLS_KEY).replace(folder / TLS_KEY)
                stored.finish_certificate(folder)
        sync_folder(folder)
    log.info("centre_key.changed", key=str(which))


def _retire_analysis(folder: Path, config: CentralConfig) -> None:
    """The present keys become earlier ones; loading makes those that are missing."""
    for key in stored.centre_keys(config).analysis_public:
        path = folder / f"analysis-{Suite(key.suite)}.key"
        with suppress(FileExistsError):
            os.link(path, folder / f"analysis-{Suite(key.suite)}-{key.key_id}.key")  # never without a name
        path.unlink()


def _use_receipts(folder: Path) -> None:
    old, following = SigningKey.load(folder / "receipts.key"), folder / NEXT / "receipts.key"
    said = succession(old, SigningKey.load(following).public)
    words = (folder / SUCCESSIONS).read_text("ascii").split() if (folder / SUCCESSIONS).exists() else []
    write_secret(folder / SUCCESSIONS, "".join(f"{word}\n" for word in dict.fromkeys([*words, said])).encode("ascii"))
    following.replace(folder / "receipts.key")
