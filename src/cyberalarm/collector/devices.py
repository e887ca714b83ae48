"""Devices by a short stable id that tells neither name nor address to anybody outside."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from cyberalarm.collector.files import write_durably

if TYPE_CHECKING:
    from pathlib import Path

_SALT = "devices.salt"
# No vowels and no look-alikes: read out on the telephone, and never a word.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
_LENGTH = 6


class DeviceNames:
    """Gives ids; the salt behind them stays in the data folder, so ids cannot be turned back into addresses elsewhere."""

    def __init__(self, folder: Path) -> None:
        path = folder / _SALT
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, secrets.token_bytes(32))
        self._salt = path.read_bytes()
        self._known: dict[str, str] = {}

    def name(self, source: str) -> str:
        """The id of what sends from `source` (an address, or a file's name): `d-` and six characters."""
        found = self._known.get(source)
        if found is None:
            number = int.from_bytes(hmac.digest(self._salt, source.encode("utf-8", "replace"), hashlib.sha256)[:8])
            letters = []
            for _ in range(_LENGTH):
                number, letter = divmod(number, len(_ALPHABET))
                letters.append(_ALPHABET[letter])
            found = "d-" + "".join(letters)
            self._known[source] = found
        return found

    def known(self) -> dict[str, str]:
        """Source by id, of all that were seen in this run. For the member's own eyes."""
        return {device: source for source, device in self._known.items()}
