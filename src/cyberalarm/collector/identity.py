"""Who this collector is: its signing key, and what the centre said when it enrolled.

Files in the data folder: `signing.key` (never leaves, owner only), `identity.json`, and `local.key` for what stays here. Enrolling
again keeps the keys, so that what is already in the spool stays valid. New keys of the centre's are taken from its signed status,
and saved (`standing`); how this collector's own key is replaced, see `keyring`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector.errors import NotEnrolledError
from cyberalarm.collector.files import write_durably
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.keys import AnalysisPublicKey, SigningKey, VerifyKey
from cyberalarm.envelope.local import LocalKey

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "signing.key"
_IDENTITY = "identity.json"
_LOCAL = "local.key"


@dataclass(frozen=True, slots=True)
class Identity:
    """`pin` is the hex SHA-256 of the centre's certificate; empty: public trust. `analysis_key` is sealed to.

    `next_pins` and `next_receipt_keys` are announced, and count as well. `release_keys` sign the pack releases that are loaded;
    they change by enrolling again only.
    """

    collector: str
    centre: str
    pin: str
    receipt_key: VerifyKey
    analysis_key: AnalysisPublicKey
    release_keys: tuple[VerifyKey, ...] = ()
    next_pins: tuple[str, ...] = ()
    next_receipt_keys: tuple[VerifyKey, ...] = ()

    @property
    def pins(self) -> tuple[str, ...]:
        """Every certificate that the centre may show; empty: public trust."""
        return (self.pin, *self.next_pins) if self.pin else ()

    @property
    def receipt_keys(self) -> tuple[VerifyKey, ...]:
        """Every key that the centre may sign with."""
        return (self.receipt_key, *self.next_receipt_keys)

    def save(self, folder: Path) -> None:
        content = {
            "collector": self.collector,
            "centre": self.centre,
            "pin": self.pin,
            "receipt_key": self.receipt_key.raw.hex(),
            "analysis_key": self.analysis_key.to_text(),
            "release_keys": [key.to_text() for key in self.release_keys],
            "next_pins": list(self.next_pins),
            "next_receipt_keys": [key.to_text() for key in self.next_receipt_keys],
        }
        write_durably(folder / _IDENTITY, json.dumps(content, indent=1).encode())


def load(folder: Path) -> Identity:
    """Raises NotEnrolledError, or ConfigurationError for a damaged file."""
    path = folder / _IDENTITY
    try:
        value = json.loads(path.read_bytes())
        return Identity(
            collector=str(value["collector"]),
            centre=str(value["centre"]),
            pin=str(value["pin"]),
            receipt_key=VerifyKey(bytes.fromhex(value["receipt_key"])),
            analysis_key=AnalysisPublicKey.from_text(value["analysis_key"]),
            release_keys=tuple(VerifyKey.from_text(text) for text in value.get("release_keys", [])),
            next_pins=tuple(map(str, value.get("next_pins", []))),
            next_receipt_keys=tuple(VerifyKey.from_text(text) for text in value.get("next_receipt_keys", [])),
        )
    except FileNotFoundError as error:
        raise NotEnrolledError(
            "This collector is not enrolled yet.",
            next_step="Run `cyberalarm collector enrol TOKEN` with the token from your member page.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is damaged.", next_step="Enrol again with a new token.") from error


def key_path(folder: Path) -> Path:
    """Where this collector's key is."""
    return folder / _KEY


def make_signing_key(folder: Path) -> SigningKey:
    """This collector's key, made when there is none yet."""
    path = folder / _KEY
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        SigningKey.generate().save(path)
    return SigningKey.load(path)


def local_key(folder: Path, *, make: bool = True) -> LocalKey:
    """The key for what this collector writes for itself. Raises ConfigurationError for a damaged one.

    It is made when there is none, by who holds the folder: made by anybody else, the collector could not read it. Else raises
    FileNotFoundError.
    """
    try:
        return LocalKey.of(folder / _LOCAL) if make else LocalKey.load(folder / _LOCAL)
    except KeyRefused as error:
        raise ConfigurationError(
            f"{folder / _LOCAL} is damaged.",
            next_step="Remove it: a new one is made. Copies of what was sent before cannot be shown then.",
        ) from error


def signing_key(folder: Path) -> SigningKey:
    """This collector's key. Raises NotEnrolledError when it is missing, KeyRefused when it is damaged."""
    try:
        return SigningKey.load(folder / _KEY)
    except FileNotFoundError as error:
        raise NotEnrolledError(
            f"The collector's key {folder / _KEY} is missing.",
            next_step="Restore it from a backup, or enrol again with a new token.",
        ) from error
