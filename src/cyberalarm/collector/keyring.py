"""This collector's signing keys while one follows the other.

A change is decided here by one file that appears whole, `signing-from-<sequence>.key`: bundles from that sequence on are signed by
the new key, whether the centre knows of it yet or not. Sending first makes the change known (`ship`), as often as it takes; once
the centre has confirmed it, the new key takes the place of `signing.key`.

Invariants
- A kill at any step leaves a collector that goes on by itself: before the file appears with the old key, afterwards with the new
  one.
- The old private key is gone once the change is confirmed. What it signed and what still waits is vouched for by the new one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector import identity as identities
from cyberalarm.collector.files import flush_folder
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.rotation import KeyChange, vouch

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.spool import Link

_NAME = re.compile(r"signing-from-(\d{20})\.key")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Following:
    """A key that signs from the bundle `first` on."""

    first: int
    key: SigningKey


class Keyring:
    def __init__(self, folder: Path) -> None:
        """Raises NotEnrolledError when there is no key, KeyRefused when one is damaged."""
        self._folder = folder
        self.current = identities.signing_key(folder)
        found = sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))
        for first in found[:-1]:
            self._path(first).unlink()
        self.following = Following(found[-1], SigningKey.load(self._path(found[-1]))) if found else None

    @property
    def pending(self) -> bool:
        """Is there a change that the centre has not confirmed?"""
        return self.following is not None and self.following.key.public != self.current.public

    def age_days(self, now: float) -> float:
        """Days since the present key was made, by the clock `now` (seconds since 1970)."""
        return (now - identities.key_path(self._folder).stat().st_mtime) / _DAY

    def begin(self, head: Link) -> Following:
        """Sign what comes after the spool's newest bundle by a new key. Whoever may put bundles in must wait meanwhile.

        Does nothing more while a change is not confirmed. Raises OSError.
        """
        if self.following is not None and self.pending:
            return self.following
        before = self.following
        made = Following(head.sequence + 1, SigningKey.generate())
        made.key.save(self._path(made.first))
        self.following = made
        if before is not None and before.first != made.first:
            self._path(before.first).unlink(missing_ok=True)
        return made

    def announcement(self, collector: str) -> KeyChange | None:
        """What the centre is to be told, None when it knows all."""
        if self.following is None or not self.pending:
            return None
        return KeyChange.new(collector, self.following.key, self.following.first)

    def confirmed(self) -> None:
        """The centre knows the new key. Raises OSError."""
        if self.following is not None:
            self.following.key.save(identities.key_path(self._folder))
            self.current = self.following.key

    def voucher(self, link: Link) -> str:
        """The new key's word for a bundle that an older one signed; empty for one of its own."""
        if self.following is None or self.pending or link.sequence >= self.following.first:
            return ""
        return vouch(self.current, link.digest)

    def forget(self, done: Link) -> None:
        """Tidy up once no bundle of before the change waits any more; `done` was receipted last."""
        if self.following is not None and not self.pending and done.sequence >= self.following.first - 1:
            with suppress(OSError):
                self._path(self.following.first).unlink()
                flush_folder(self._folder)
                self.following = None

    def drop(self) -> None:
        """Forget a change, as where the chain begins anew: the present key stays. Raises OSError."""
        if self.following is not None:
            self._path(self.following.first).unlink(missing_ok=True)
            flush_folder(self._folder)
            self.following = None

    def _path(self, first: int) -> Path:
        return self._folder / f"signing-from-{first:020d}.key"
