"""A key that never leaves its machine, for what the machine writes for itself: AES-256-GCM (NIST SP 800-38D).

It keeps single files readable for nobody else: a backup, a disk's remains, a support bundle. Whoever has the whole data folder has
the key too. Nonces are random, and a key is good for 2^32 of them: one a second for more than a century.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cyberalarm.envelope.errors import KeyRefused, SealRefused
from cyberalarm.envelope.files import write_secret

if TYPE_CHECKING:
    from pathlib import Path

_KEY_BYTES = 32
_NONCE_BYTES = 12
OVERHEAD = _NONCE_BYTES + 16  # bytes that sealing adds: nonce and tag


class LocalKey:
    __slots__ = ("_aead",)

    def __init__(self, raw: bytes) -> None:
        """Raises KeyRefused unless given 32 bytes."""
        if len(raw) != _KEY_BYTES:
            raise KeyRefused(f"A local key has {_KEY_BYTES} bytes.")
        self._aead = AESGCM(raw)

    @classmethod
    def load(cls, path: Path) -> LocalKey:
        """Raises KeyRefused for a damaged file, OSError."""
        return cls(path.read_bytes())

    @classmethod
    def of(cls, path: Path) -> LocalKey:
        """The key in a file of mode 0600, made when there is none. Raises KeyRefused, OSError."""
        if not path.exists():
            write_secret(path, AESGCM.generate_key(_KEY_BYTES * 8))
        return cls.load(path)

    def seal(self, content: bytes, about: bytes) -> bytes:
        """Seal content together with what it is about, which is not in the result."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, content, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises SealRefused when it was changed, is about something else, or was sealed with another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:
            raise SealRefused("This was not sealed with this key, or was changed since.") from error
