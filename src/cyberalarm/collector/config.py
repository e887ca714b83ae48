"""The collector's configuration: one TOML file, a safe default for every key. docs/configuration.md explains each.

`load` says what is wrong by file and key. Paths are relative to the file's folder.
"""

from __future__ import annotations

import time
import tomllib
from datetime import datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.known_sources import chosen
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.keys import VerifyKey

_LONGEST_SOCKET_PATH = 107  # bytes: sun_path without its end, unix(7)


def _endpoint(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise ValueError("write an address and a port, such as 0.0.0.0:514 or [::]:514")
    return text


def _network(text: str) -> str:
    return str(ip_network(text, strict=False))


def _address(text: str) -> str:
    return str(ip_address(text))


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("write a time zone such as Europe/London or UTC") from error
    return text


def _release_key(text: str) -> str:
    try:
        return VerifyKey.from_text(text).to_text()
    except KeyRefused as error:
        raise ValueError("write a public release key as it was made, ed25519:…") from error


def _metrics_endpoint(text: str) -> str:
    if not text:
        return text
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or len(path.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(
                "write a local socket with its whole path, such as unix:/run/cyberalarm-collector/metrics.sock"
            )
        return text
    host = _endpoint(text).rpartition(":")[0].strip("[]")
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ValueError(
            "the figures are given to this machine only: write unix:/PATH, or a port of 127.0.0.1 or [::1], and let an agent"
            " on this machine pass them on"
        )
    return text


LogLevel = Literal["debug", "info", "warning", "error"]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
NetworkText = Annotated[str, AfterValidator(_network)]


def _known(text: str) -> str:
    chosen([text])
    return text


KnownText = Annotated[str, AfterValidator(_known)]
ReleaseKeyText = Annotated[str, AfterValidator(_release_key)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Section):
    """Where syslog is taken. A device must be able to reach these; nothing else listens."""

    udp: list[Endpoint] = ["0.0.0.0:514"]
    tcp: list[Endpoint] = ["0.0.0.0:514"]
    tcp_connections: int = Field(default=100, ge=1, le=10_000)
    receive_buffer: int = Field(default=16 * 1024 * 1024, ge=65_536)


class Networks(_Section):
    """The member's own networks beside the private ones, sources that are trusted, and known ones whose probes are left out."""

    own: list[NetworkText] = []
    trusted: list[NetworkText] = []
    # Kinds or operators of core/known_sources.toml.
    known: list[KnownText] = []


class Called(_Section):
    """What the member calls a device, told by the address that it sends from and, behind a relay, by the host in its lines."""

    name: str = Field(min_length=1, max_length=80)
    address: Annotated[str, AfterValidator(_address)]
    host: str = Field(default="", max_length=64)


class PackUpdates(_Section):
    """Whose pack releases are loaded, in place of the keys that enrolling brought."""

    release_keys: list[ReleaseKeyText] = Field(default=[], max_length=16)


class Metrics(_Section):
    """Where Prometheus may fetch figures: a local socket or a loopback port, nowhere else. Off by default."""

    listen: Annotated[str, AfterValidator(_metrics_endpoint)] = ""


class CollectorConfig(_Section):
    data: Path = Path("collector-data")
    listen: Listen = Listen()
    networks: Networks = Networks()
    packs: PackUpdates = PackUpdates()
    device: list[Called] = Field(default=[], max_length=2_000)
    metrics: Metrics = Metrics()
    log_level: LogLevel = "info"
    # For devices that write times without a zone.
    time_zone: Annotated[str, AfterValidator(_zone)] = "Europe/London"
    bundle_seconds: float = Field(default=60, ge=1, le=3600)
    # The centre takes at most 200,000 rows in a bundle.
    bundle_rows: int = Field(default=100_000, ge=1_000, le=150_000)
    spool_bytes: int = Field(default=4 * 1024**3, ge=64 * 1024**2)
    # Copies of what was sent, for `show-sent`; 0 keeps none.
    sent_bytes: int = Field(default=256 * 1024**2, ge=0)
    remember_hours: float = Field(default=24, gt=0, le=24 * 14)
    # Age at which this collector replaces its signing key by itself; 0: never.
    signing_key_days: int = Field(default=365, ge=0, le=3650)
    # Empty: HTTPS_PROXY of the environment, if set.
    proxy: str = ""

    @property
    def utc_offset_s(self) -> int:
        """Seconds east of UTC, now, in the devices' time zone."""
        return self.utc_offset_at(time.time())

    def utc_offset_at(self, when: float) -> int:
        """Seconds east of UTC in the devices' time zone at a time (seconds since 1970), which tells summer from winter."""
        offset = datetime.fromtimestamp(when, ZoneInfo(self.time_zone)).utcoffset()
        return int(offset.total_seconds()) if offset else 0


def load(path: Path | None) -> CollectorConfig:
    """Read a configuration file; defaults when none is named. Raises ConfigurationError naming file and key."""
    if path is None:
        return CollectorConfig()
    try:
        config = CollectorConfig.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.", next_step="Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{path}: key {key!r}: {said}.", next_step="See docs/configuration.md.") from error
    return beside(path, config)


def beside(path: Path, config: CollectorConfig) -> CollectorConfig:
    """The same configuration with its folder taken as relative to its file."""
    return config.model_copy(update={"data": (path.parent / config.data).resolve()})
