"""Whose pack releases count at this collector, and from which number on; kept in two files of the folder `packs`.

`revoked.json` holds the revocations that were heard, `floor.json` of each release key the newest release that was in use.

Invariants
- A revocation that was heard once holds for ever: over restarts, and whatever the centre says later. Each proves itself again when
  it is read.
- Only keys that are trusted here are noted, so nobody fills the disk.
- Numbers only rise, whichever trusted key signed. What a revoked key reached counts no more: a thief of a key cannot keep its
  owner's later releases out by a very high number.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.files import write_durably
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.revocations import revoked
from cyberalarm.formats.delivery import DeliveryRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cyberalarm.envelope.keys import VerifyKey

log = structlog.get_logger(__name__)

FLOOR = "floor.json"
REVOKED = "revoked.json"
_UNNAMED = ""  # in notes of before, which did not say whose number it was


class PackTrust:
    def __init__(self, folder: Path, named: Sequence[VerifyKey]) -> None:
        """`named` are the keys of the configuration or the enrolment."""
        self._folder = folder
        self._named = tuple(named)
        self._revocations = dict(self._proven(self._read()))
        self._on_disk = len(self._revocations)

    @property
    def keys(self) -> tuple[VerifyKey, ...]:
        """Whose releases count."""
        return tuple(key for key in self._named if key not in self._revocations)

    def heed(self, texts: Iterable[str]) -> None:
        """Believe no more in keys that revoke themselves. Raises OSError when that holds, but could not be kept: say it again."""
        self._revocations |= dict(self._proven(texts))
        if len(self._revocations) == self._on_disk:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._folder / REVOKED, json.dumps(sorted(self._revocations.values())).encode())
        self._on_disk = len(self._revocations)

    def _proven(self, texts: Iterable[str]) -> list[tuple[VerifyKey, str]]:
        """The trusted keys among those that really revoke themselves."""
        found, false = [], 0
        for text in texts:
            try:
                found.append((revoked(text), text))
            except KeyRefused:
                false += 1
        if false:
            log.warning("packs.revocations_false", number=false)
        return [(key, text) for key, text in found if key in self._named]

    def _read(self) -> list[str]:
        try:
            return [str(text) for text in json.loads((self._folder / REVOKED).read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError):
            log.warning("packs.revocations_unreadable")  # the centre says them again with each status
            return []

    def floor(self) -> tuple[int, str]:
        """Number and digest of the newest release that was ever in use; 0 when none was.

        Raises DeliveryRefused when that cannot be told.
        """
        gone = {key.key_id for key in self._revocations}
        return max((value for key, value in self._floors().items() if key not in gone), default=(0, ""))

    def raise_floor(self, key: str, number: int, sha256: str) -> None:
        """Remember a release in use, by the id of its key, as the newest. Raises OSError."""
        try:
            floors = self._floors()
        except DeliveryRefused:
            floors = {}
        floors[key] = (number, sha256)
        content = {one: {"number": most, "sha256": digest} for one, (most, digest) in sorted(floors.items())}
        write_durably(self._folder / FLOOR, json.dumps(content).encode())

    def _floors(self) -> dict[str, tuple[int, str]]:
        try:
            value = json.loads((self._folder / FLOOR).read_bytes())
            if "number" in value:
                value = {_UNNAMED: value}
            found = {str(key): (int(one["number"]), str(one["sha256"])) for key, one in value.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged() from error
        if not found:
            raise self._damaged()
        return found

    def _damaged(self) -> DeliveryRefused:
        return DeliveryRefused(
            "It cannot be told which pack release was the newest here: its note is damaged.",
            next_step=f"Remove {self._folder / FLOOR}; the release that the centre publishes is used then.",
            code="release-floor",
        )
