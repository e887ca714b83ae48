"""The certificate that devices see when they send over TLS: made here where the member has none, shown with its fingerprint.

Makes nothing over what is there unless that is asked for. A collector that runs reads new files by itself.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector.files import as_owner
from cyberalarm.collector.receive.tls import TlsFiles
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope import certificate as certificates

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig

# TEST-NET-1 and the documentation prefix (RFC 5737, RFC 3849): the way there shows our own address, and nothing is sent.
_ANYWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate's file, its SHA-256 fingerprint as devices write it, and until when it is valid; `made`: just now."""

    path: Path
    fingerprint: str
    until: datetime
    made: bool


def show(config: CollectorConfig, names: list[str], *, new: bool = False) -> Shown:
    """The certificate for syslog over TLS; made for these names and addresses where there is none, or if it is to be `new`.

    Raises ConfigurationError.
    """
    files = TlsFiles.of(config.tls, config.data)
    own = bool(config.tls.certificate)
    if new and own:
        raise ConfigurationError(
            f"The configuration names a certificate of your own, {files.certificate}.",
            next_step="Renew it where it comes from, or take tls.certificate and tls.key out of the configuration.",
        )
    make = new or (not own and not files.certificate.exists())
    if make:
        as_owner(config.data)
        certificates.make(config.data, names or own_names())
    try:
        pem = files.certificate.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{files.certificate}: cannot be read: {error.strerror}.") from error
    digest = certificates.pin(pem).upper()
    pairs = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    return Shown(files.certificate, pairs, certificates.valid_until(pem), make)


def own_names() -> list[str]:
    """This machine's name and the addresses by which others reach it."""
    found = [socket.getfqdn(), socket.gethostname()]
    for family, address in _ANYWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            found.append(probe.getsockname()[0].partition("%")[0])
    return [name for name in dict.fromkeys(found) if name]
