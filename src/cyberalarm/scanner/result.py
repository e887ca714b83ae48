"""A scan's result as one JSON document: what was asked, what answered, what follows, and what was not
tested.

The same document is what reports are made from and what the next scan compares itself with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - pydantic reads the fields' types at run time
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from cyberalarm.scanner.errors import ResultError
from cyberalarm.scanner.feeds.vulnerability import FeedInfo  # noqa: TC001
from cyberalarm.scanner.findings import Finding  # noqa: TC001
from cyberalarm.scanner.identity import Service  # noqa: TC001

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Authority:
    """By whose leave it was scanned."""

    member: str
    member_name: str
    accepted_by: str
    role: str
    accepted: datetime
    expires: datetime
    text_version: str
    tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetRun:
    """What became of one target.

    `proved` is None where control could not be proved: then nothing was scanned.
    """

    host: str
    address: str
    proved: datetime | None
    started: datetime
    ended: datetime
    asked_ports: tuple[int, ...]
    closed_ports: int
    silent_ports: int
    connections: int
    source: str


@dataclass(frozen=True, slots=True)
class NotTested:
    """Something that was left out. `failed` marks what should have worked and did not."""

    target: str
    what: str
    reason: str
    failed: bool


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A CVE that the version alone would suggest, and why it does not apply."""

    target: str
    port: int
    cve: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    kind: Literal["cyberalarm-scan-result/1"]
    lab: bool
    program: str
    authority: Authority
    started: datetime
    ended: datetime
    targets: tuple[TargetRun, ...]
    services: tuple[Service, ...]
    findings: tuple[Finding, ...]
    gone: tuple[Finding, ...]  # of the previous scan: fixed, not seen, or withdrawn
    ruled_out: tuple[RuledOut, ...]
    not_tested: tuple[NotTested, ...]
    feeds: tuple[FeedInfo, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that should have worked did."""
        return not any(n.failed for n in self.not_tested)


_ADAPTER: TypeAdapter[ScanResult] = TypeAdapter(ScanResult)


def to_json(result: ScanResult) -> bytes:
    return _ADAPTER.dump_json(result, indent=2) + b"\n"


def read_result(path: Path) -> ScanResult:
    """Read a result file. Raises ResultError."""
    try:
        with path.open("rb") as source:
            raw = source.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ResultError(f"{path}: too large for a result.")
        return _ADAPTER.validate_json(raw)
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}.", next_step="Check the path.") from error
    except ValidationError as error:
        raise ResultError(
            f"{path}: not a scan result: {error.errors()[0]['msg']}.",
            next_step="Name a .json file of `scanner scan`.",
        ) from error
