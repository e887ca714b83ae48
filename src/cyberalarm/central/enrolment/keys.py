"""The centre's own keys, in files below <data>/keys that only their owner can read, made on first start.

- `receipts.key` signs receipts, enrolment and status documents; `successions` holds the words by which earlier ones named it
- `analysis-<suite>.key` opens envelopes, one for each suite; `analysis-<suite>-<id>.key` are earlier ones, which still open what
  was sealed to them
- `tls-certificate.pem`, `tls-key.pem` serve HTTPS; an operator may put a certificate of his own there before
  collectors enrol
- `next/` holds what has been announced and is not used yet (`key_rotation`)

Losing `analysis-*.key` makes every kept envelope unreadable: they belong into the backup.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cyberalarm.envelope import certificate
from cyberalarm.envelope.certificate import CertificatePaths
from cyberalarm.envelope.files import sync_folder
from cyberalarm.envelope.keys import AnalysisKey, AnalysisPublicKey, SigningKey, Suite
from cyberalarm.envelope.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cyberalarm.central.config import CentralConfig


@dataclass(frozen=True, slots=True)
class CentreKeys:
    """`analysis` is by key id, those of before included; `analysis_public` are those to seal to, in the order of preference: the
    hybrid suite first. `pin` is the hex SHA-256 of the TLS certificate. What is announced is None or empty where nothing is.
    """

    receipts: SigningKey
    analysis: Mapping[str, AnalysisKey]
    analysis_public: tuple[AnalysisPublicKey, ...]
    certificate: CertificatePaths
    pin: str
    next_receipts: SigningKey | None = None
    next_pin: str = ""
    successions: tuple[str, ...] = ()

    def trust(self, nonce: str) -> Trust:
        """What a collector should trust this centre by, in answer to its nonce."""
        keys = [self.receipts, *([self.next_receipts] if self.next_receipts else [])]
        pins = [self.pin, *([self.next_pin] if self.next_pin else [])]
        return Trust(nonce, tuple(pins), tuple(key.verify_key for key in keys))


NEXT = "next"
CERTIFICATE = "tls-certificate.pem"
TLS_KEY = "tls-key.pem"
SUCCESSIONS = "successions"
_loaded: dict[Path, CentreKeys] = {}
_guard = threading.Lock()
_watchers: list[Callable[[CentreKeys], None]] = []


def centre_keys(config: CentralConfig) -> CentreKeys:
    """The keys of the centre with this configuration; missing ones are made."""
    folder = folder_of(config)
    with _guard:
        if folder not in _loaded:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with alone(folder):
                _loaded[folder] = _load(folder, config)
        return _loaded[folder]


def changed(config: CentralConfig) -> CentreKeys:
    """Read the keys anew, and tell whoever uses them in this process."""
    with _guard:
        _loaded.pop(folder_of(config), None)
    keys = centre_keys(config)
    for tell in _watchers:
        tell(keys)
    return keys


@contextmanager
def told_of_changes(tell: Callable[[CentreKeys], None]) -> Iterator[None]:
    """Call `tell` with the new keys whenever they change in this process."""
    _watchers.append(tell)
    try:
        yield
    finally:
        _watchers.remove(tell)


def certificate_paths(config: CentralConfig) -> CertificatePaths:
    """Where the TLS certificate and its key are, or will be."""
    folder = folder_of(config)
    return CertificatePaths(folder / CERTIFICATE, folder / TLS_KEY)


def folder_of(config: CentralConfig) -> Path:
    """Where the keys are."""
    return config.data.resolve() / "keys"


def _load(folder: Path, config: CentralConfig) -> CentreKeys:
    receipts = folder / "receipts.key"
    if not receipts.exists():
        SigningKey.generate().save(receipts)
    preferred = [_analysis_key(folder / f"analysis-{suite}.key", suite) for suite in Suite]
    earlier = [AnalysisKey.load(path) for path in sorted(folder.glob("analysis-*.key"))]
    paths = certificate_paths(config)
    finish_certificate(folder)
    if not paths.certificate.exists():
        paths = certificate.make(folder, names_of(config))
    following, announced = folder / NEXT / "receipts.key", folder / NEXT / paths.certificate.name
    successions = folder / SUCCESSIONS
    return CentreKeys(
        SigningKey.load(receipts),
        {key.public.key_id: key for key in (*earlier, *preferred)},
        tuple(key.public for key in preferred),
        paths,
        certificate.pin(paths.certificate.read_bytes()),
        SigningKey.load(following) if following.exists() else None,
        certificate.pin(announced.read_bytes()) if announced.exists() else "",
        tuple(successions.read_text("ascii").split()) if successions.exists() else (),
    )


def _analysis_key(path: Path, suite: Suite) -> AnalysisKey:
    if not path.exists():
        AnalysisKey.generate(suite).save(path)
    return AnalysisKey.load(path)


def finish_certificate(folder: Path) -> None:
    """Put the announced certificate beside its key where a crash came between the two: the key is moved first."""
    following = folder / NEXT
    if (following / CERTIFICATE).exists() and not (following / TLS_KEY).exists():
        (following / CERTIFICATE).replace(folder / CERTIFICATE)
        sync_folder(folder)


def names_of(config: CentralConfig) -> list[str]:
    """The names and addresses that a certificate of ours is for."""
    public = urlsplit(config.url).hostname or config.host
    usable = [n for n in config.allowed_hosts if n and not n.startswith((".", "*"))]
    return [public, config.host, "localhost", "127.0.0.1", *usable]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two processes that start at once must not both make keys."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
