"""Devices by a short stable id that tells neither name nor address to anybody outside.

A device is told by the address that it sends from. Where one address sends for several hosts, as a relay does, the first host
that was heard keeps the address's id, so that a device that sends for itself has one id whatever its headers say; each other host
has an id of its own.

The number of devices is bounded: the sender's address of a datagram is easily forged, and must not be able to fill the memory. What
comes beyond the bound shares one id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING

from cyberalarm.collector.files import write_durably, write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cyberalarm.collector.config import Called

_SALT = "devices.salt"
# No vowels and no look-alikes: read out on the telephone, and never a word.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
_LENGTH = 6
_SALT_BYTES = 32
# Half of what one bundle may name (envelope.payload.MAX_DEVICES); a member has a handful.
MOST_DEVICES = 2_000
OTHERS = "all other senders"
# Hosts behind one address; one that invents names must not take the room of all.
MOST_BEHIND = 64
_HOSTS = "devices.json"


class DeviceNames:
    """Gives ids; the salt behind them stays in the data folder, so ids cannot be turned back into addresses elsewhere."""

    def __init__(self, folder: Path, called: Sequence[Called] = ()) -> None:
        path = folder / _SALT
        if not path.exists() or path.stat().st_size != _SALT_BYTES:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, secrets.token_bytes(_SALT_BYTES))
        self._salt = path.read_bytes()
        self._called = called
        self._known: dict[str, str] = {}
        self._behind: dict[str, set[str]] = {}
        self._path = folder / _HOSTS
        self._first = _read_hosts(self._path)
        self._saved = len(self._first)

    def sender(self, address: str, host: str) -> str:
        """What sends from an address under a host's name: the address alone, or with the host where it sends for several."""
        if not host or not address:
            return address
        first = self._first.get(address)
        if first is None and len(self._first) < MOST_DEVICES:
            first = self._first[address] = host
        if first in (host, None):
            return address
        behind = self._behind.setdefault(address, set())
        if len(behind) < MOST_BEHIND:
            behind.add(host)
        return f"{address} {host}" if host in behind else address

    def save(self) -> None:
        """Write down which host was the first of each address, if there are new ones. Raises OSError."""
        if len(self._first) != self._saved:
            write_whole(self._path, json.dumps(self._first).encode())
            self._saved = len(self._first)

    def source(self, source: str) -> str:
        """The source under which this one is counted: itself, or OTHERS beyond the bound."""
        if source in self._known or len(self._known) < MOST_DEVICES:
            return source
        return OTHERS

    def label(self, source: str) -> str:
        """A source for the member's own eyes: with the name that the configuration gives it, and its host where that tells more."""
        address, _, host = source.partition(" ")
        host = host or self._first.get(address, "")
        for one in self._called:
            if one.address == address and one.host in ("", host):
                return f"{one.name} ({source})"
        return source

    def name(self, source: str) -> str:
        """The id of what sends from `source` (see `sender`, or a file's name): `d-` and six characters."""
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


def _read_hosts(path: Path) -> dict[str, str]:
    """What `save` wrote; a damaged file is none, which at worst gives a relay's devices other ids."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(address): str(host) for address, host in list(value.items())[:MOST_DEVICES]}
