"""What was heard (observation), what it says is running (identity), and where (service)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - result.py reads the fields' types at run time


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing a service said.

    `kind` names the fingerprint tables that may read it, such as `ssh.banner`.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A product, as far as it tells. Empty text means: not known."""

    vendor: str
    product: str
    title: str
    version: str = ""
    distribution: str = ""  # whose package it is: debian, ubuntu, redhat …
    revision: str = ""  # the package's full version, where the banner shows it
    platform: str = ""  # windows, linux, unix
    packaged: bool = True  # whether Linux distributions ship this product with fixes of their own
    fingerprint: str = ""
    evidence: str = ""

    @property
    def name(self) -> str:
        return f"{self.title} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class TlsSummary:
    """The TLS facts of a port, in the shape that results keep."""

    versions: tuple[str, ...]
    weak_suite: str
    subject: str = ""
    issuer: str = ""
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """An open port: what speaks there, and who it says it is."""

    target: str
    address: str
    port: int
    protocol: str  # ssh, http, https, ftp, smtp, mysql, redis, tls, unknown …
    banner: str
    identities: tuple[Identity, ...] = ()
    tls: TlsSummary | None = None
    notes: tuple[str, ...] = field(default=())
