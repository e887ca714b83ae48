"""The centre's configuration: one TOML file, environment overrides, a safe default for every key.

Every key is documented in docs/configuration.md. Paths are relative to the file's folder. Secrets live in files inside `data`,
made on first start, readable by the owner only; none is ever written in the configuration.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cyberalarm.core.errors import ConfigurationError

ENVIRONMENT = "CYBERALARM_CENTRAL_CONFIG"


class CentralConfig(BaseModel):
    """What an operator may set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Path("central-data")
    profile: Literal["embedded"] = "embedded"
    host: str = "127.0.0.1"
    port: int = 8443
    # What members' browsers and collectors use to reach us; empty: https://<host>:<port>
    public_url: str = ""
    allowed_hosts: list[str] = []
    service_name: str = "CyberAlarm"
    contact: str = "cyberalarm@example.org"
    # Country database (MMDB); empty: the bundled one. `countries_extra` is a CSV of network,country that outranks it.
    country_database: str = ""
    countries_extra: str = ""
    # Fewest members behind a figure in an edition that members may read, so that none can be recognised.
    trend_minimum_members: int = 3
    email_host: str = ""
    email_port: int = 25
    email_from: str = "cyberalarm@example.org"

    @property
    def url(self) -> str:
        return self.public_url or f"https://{self.host}:{self.port}"


def load(path: Path | None = None) -> CentralConfig:
    """Read the file named, or the one `CYBERALARM_CENTRAL_CONFIG` names, or use defaults.

    Raises ConfigurationError naming file and key.
    """
    named = path or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is None:
        return CentralConfig()
    try:
        table = tomllib.loads(named.read_text("utf-8"))
        config = CentralConfig.model_validate(table)
    except OSError as error:
        raise ConfigurationError(f"{named}: cannot be read: {error.strerror}.", next_step="Check the path.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{named}: not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"{named}: key {key!r}: {first['msg']}.", next_step="See docs/configuration.md."
        ) from error
    return config.model_copy(update={"data": (named.parent / config.data).resolve()})


def secret_file(config: CentralConfig, name: str) -> str:
    """A random secret kept in `data/secrets/<name>`, made on first use."""
    folder = config.data / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(48))
    return path.read_text("ascii")
