"""Devices by a short stable id that tells neither name nor address to anybody outside.

The number of devices is bounded: the sender's address of a datagram is easily forged, and must not be able to fill the memory. What
comes beyond the bound shares one id.
"""

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
_SALT_BYTES = 32
# Half of what one bundle may name (envelope.payload.MAX_DEVICES); a member has a handful.
MOST_DEVICES = 2_000
OTHERS = "all other senders"


class DeviceNames:
    """Gives ids; the salt behind them stays in the data folder, so ids cannot be turned back into addresses elsewhere."""

    def __init__(self, folder: Path) -> None:
        path = folder / _SALT
        if not path.exists() or path.stat().st_size != _SALT_BYTES:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, secrets.token_bytes(_SALT_BYTES))
        self._salt = path.read_bytes()
        self._known: dict[str, str] = {}

    def source(self, source: str) -> str:
        """The source under which this one is counted: itself, or OTHERS beyond the bound."""
        if source in self._known or len(self._known) < MOST_DEVICES:
            return source
        return OTHERS

    def name(self, source: str) -> str:
        """The id of what sends from `source` (an address, or a file's name): `d-` and six characters."""
        source = self.source(source)
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
