"""When the newest backup of this centre was made, for those who look after it. The note says nothing that opens one."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from cyberalarm.envelope.files import write_secret

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.central.backup.listing import Manifest

NOTE = "last-backup.json"


def note(data: Path, manifest: Manifest, fingerprint: str) -> None:
    """Write down that a backup was made."""
    said = {"name": manifest.name, "made": manifest.made, "fingerprint": fingerprint}
    write_secret(data / NOTE, json.dumps(said, indent=1).encode("ascii") + b"\n")


def last_backup(data: Path) -> datetime | None:
    """When the newest backup was made, as far as is known here."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return datetime.fromisoformat(json.loads((data / NOTE).read_text("ascii"))["made"])
    return None
