"""The centre's own keys, in files below <data>/keys that only their owner can read, made on first start.

- `receipts.key` signs receipts, enrolment and status documents
- `analysis-<suite>.key` opens envelopes, one for each suite
- `tls-certificate.pem`, `tls-key.pem` serve HTTPS; an operator may put a certificate of his own there before
  collectors enrol

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
from cyberalarm.envelope.keys import AnalysisKey, AnalysisPublicKey, SigningKey, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cyberalarm.central.config import CentralConfig


@dataclass(frozen=True, slots=True)
class CentreKeys:
    """`analysis` is by key id; `pin` is the hex SHA-256 of the TLS certificate."""

    receipts: SigningKey
    analysis: Mapping[str, AnalysisKey]
    certificate: CertificatePaths
    pin: str

    @property
    def analysis_public(self) -> tuple[AnalysisPublicKey, ...]:
        """The public keys in the order of preference: the hybrid suite first."""
        order = list(Suite)
        return tuple(sorted((k.public for k in self.analysis.values()), key=lambda k: order.index(k.suite)))


_loaded: dict[Path, CentreKeys] = {}
_guard = threading.Lock()


def centre_keys(config: CentralConfig) -> CentreKeys:
    """The keys of the centre with this configuration; missing ones are made."""
    folder = _folder(config)
    with _guard:
        if folder not in _loaded:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(folder):
                _loaded[folder] = _load(folder, config)
        return _loaded[folder]


def certificate_paths(config: CentralConfig) -> CertificatePaths:
    """Where the TLS certificate and its key are, or will be."""
    folder = _folder(config)
    return CertificatePaths(folder / "tls-certificate.pem", folder / "tls-key.pem")


def _folder(config: CentralConfig) -> Path:
    return config.data.resolve() / "keys"


def _load(folder: Path, config: CentralConfig) -> CentreKeys:
    receipts = folder / "receipts.key"
    if not receipts.exists():
        SigningKey.generate().save(receipts)
    analysis = {}
    for suite in Suite:
        path = folder / f"analysis-{suite}.key"
        if not path.exists():
            AnalysisKey.generate(suite).save(path)
        key = AnalysisKey.load(path)
        analysis[key.public.key_id] = key
    paths = certificate_paths(config)
    if not paths.certificate.exists():
        paths = certificate.make(folder, _names(config))
    return CentreKeys(SigningKey.load(receipts), analysis, paths, certificate.pin(paths.certificate.read_bytes()))


def _names(config: CentralConfig) -> list[str]:
    public = urlsplit(config.url).hostname or config.host
    usable = [n for n in config.allowed_hosts if n and not n.startswith((".", "*"))]
    return [public, config.host, "localhost", "127.0.0.1", *usable]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes that start at once must not both make keys."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
