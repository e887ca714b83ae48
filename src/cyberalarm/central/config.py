"""The centre's configuration: one TOML file, a safe default for every key.

Every key is documented in docs/configuration.md. Paths are relative to the file's folder; without a file, to the working folder.
Secrets live in files inside `data`, made on first start, readable by the owner only; none is ever written in the configuration:
passwords of database servers come from a file or the environment.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cyberalarm.central.databases import Database, EventStoreAddress
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope import revocations
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.envelope.revocations import revoked

ENVIRONMENT = "CYBERALARM_CENTRAL_CONFIG"


def _https(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("write an address such as https://cyberalarm.example.org")
    return text.rstrip("/")


def _release_keys(texts: list[str]) -> list[str]:
    try:
        return [VerifyKey.from_text(text).to_text() for text in texts]
    except KeyRefused as error:
        raise ValueError("write public release keys as they were made, ed25519:…") from error


def _revocations(texts: list[str]) -> list[str]:
    try:
        for text in texts:
            revoked(text)
    except KeyRefused as error:
        raise ValueError("write each line as `formats release revocation` printed it, revoked:…") from error
    return texts


class CentralConfig(BaseModel):
    """What an operator may set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Path("central-data")
    # What the two databases come to; nothing asks for it. Empty: not said. Said, it must agree with them.
    profile: Literal["", "embedded", "single", "server", "cluster"] = ""
    database: Database = Database()
    event_store: EventStoreAddress = EventStoreAddress()
    host: str = "127.0.0.1"
    port: int = Field(default=8443, ge=1, le=65535)
    # Connections that one address may have at once. Raise it when a proxy of yours stands in front.
    connections_per_address: int = Field(default=50, ge=1)
    # Addresses or networks of proxies whose word on a visitor's address counts.
    trusted_proxies: list[str] = []
    # What members' browsers and collectors use to reach us; empty: https://<host>:<port>
    public_url: Annotated[str, AfterValidator(_https)] = ""
    allowed_hosts: list[str] = []
    service_name: str = "CyberAlarm"
    contact: str = "cyberalarm@example.org"
    # Country database (MMDB); empty: the bundled one. `countries_extra` is a CSV of network,country that outranks it.
    country_database: str = ""
    countries_extra: str = ""
    # Public keys whose pack releases may be published; collectors that enrol learn them.
    release_keys: Annotated[list[str], AfterValidator(_release_keys)] = []
    # Revocations of release keys: these keys count no more, here and at each collector that asks for its status.
    revoked_release_keys: Annotated[list[str], Field(max_length=revocations.MOST), AfterValidator(_revocations)] = []
    # Fewest members behind a figure in an edition that members may read, so that none can be recognised.
    trend_minimum_members: int = Field(default=3, ge=1)
    # A source is told to all collectors when it was hostile at so many members in so many days; at no fewer than the minimum above.
    source_list_minimum_members: int = Field(default=3, ge=2)
    source_list_days: int = Field(default=14, ge=1, le=90)
    # Figures for Prometheus at /metrics, for whoever has the token in `data/secrets/metrics`.
    metrics: bool = False
    # File with the public half of the recovery key, which backups are sealed to (`central recovery-key`); empty: none can be made.
    recovery_key: str = ""
    email_host: str = ""
    email_port: int = Field(default=25, ge=1, le=65535)
    email_from: str = "cyberalarm@example.org"

    @model_validator(mode="after")
    def _agreed(self) -> CentralConfig:
        servers = self.database.is_server and self.event_store.is_server
        told = {
            "server": servers and not self.event_store.cluster,
            "cluster": servers and bool(self.event_store.cluster),
        }
        single = not self.database.is_server and not self.event_store.is_server
        if not told.get(self.profile, not self.profile or single):
            raise ValueError(f"the profile {self.profile!r} is not what `database` and `event_store` say")
        return self

    @property
    def url(self) -> str:
        return self.public_url or f"https://{self.host}:{self.port}"

    @property
    def trusted_release_keys(self) -> tuple[VerifyKey, ...]:
        keys = (VerifyKey.from_text(text) for text in self.release_keys)
        return tuple(key for key in keys if key.key_id not in self.revoked_key_ids)

    @property
    def revoked_key_ids(self) -> frozenset[str]:
        return frozenset(revoked(text).key_id for text in self.revoked_release_keys)


def load(path: Path | None = None) -> CentralConfig:
    """Read the file named, or the one `CYBERALARM_CENTRAL_CONFIG` names, or use defaults.

    Raises ConfigurationError naming file and key.
    """
    named = path or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is None:
        return _resolved(CentralConfig(), Path.cwd())
    try:
        config = CentralConfig.model_validate(tomllib.loads(named.read_text("utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{named}: cannot be read: {error.strerror}.", next_step="Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{named}: not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{named}: key {key!r}: {said}.", next_step="See docs/configuration.md.") from error
    return _resolved(config, named.parent, str(named))


def _resolved(config: CentralConfig, folder: Path, named: str = "configuration") -> CentralConfig:
    """The configuration with whole paths. Raises ConfigurationError for a file that is named but not there."""
    files = {}
    for key in ("country_database", "countries_extra", "recovery_key"):
        text = getattr(config, key)
        if text:
            file = (folder / text).resolve()
            if not file.is_file():
                raise ConfigurationError(f"{named}: key {key!r}: there is no file {file}.")
            files[key] = str(file)
    databases = {
        "database": config.database.resolved(folder, named),
        "event_store": config.event_store.resolved(folder, named),
    }
    return config.model_copy(update={"data": (folder / config.data).resolve(), **databases, **files})


def make_data_folder(config: CentralConfig) -> None:
    """Make the data folder, for the owner only. Raises ConfigurationError when that cannot be."""
    try:
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever made the folder: sessions, password hashes and mails inside are for the owner only.
        config.data.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {config.data} cannot be used: {error.strerror}.",
            next_step="Check the path and its rights.",
        ) from error


def secret_file(config: CentralConfig, name: str) -> str:
    """A random secret kept in `data/secrets/<name>`, made on first use. Processes that start at once get the same."""
    folder = config.data / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # fails where another process was quicker; its secret is ours, then
        draft.unlink()
    return path.read_text("ascii")
