"""Where the two databases are: what an operator writes, checked, with passwords from files or the environment.

Invariants: a password is never part of an address, never shown by `repr`, and never in an error. What it does not do: connect.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from typing import Self

DATABASE_PASSWORD = "CYBERALARM_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable
EVENT_STORE_PASSWORD = "CYBERALARM_EVENT_STORE_PASSWORD"  # noqa: S105 - the name of a variable
_HTTP, _HTTPS = 8123, 8443  # ClickHouse's own defaults
# What libpq may be told in an address; whatever else is in its list could read files or run commands elsewhere.
_POSTGRESQL_OPTIONS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs", "host"}
)


def _postgresql(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("this is not an address") from None
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/") or parts.fragment:
        raise ValueError("write postgresql://user@host:5432/name, or leave it out for SQLite")
    if parts.password is not None:
        raise ValueError(f"a password does not belong here: use `password_file` or {DATABASE_PASSWORD}")
    unknown = {key for key, _ in parse_qsl(parts.query)} - _POSTGRESQL_OPTIONS
    if unknown:
        raise ValueError(f"{min(unknown)} is not one of {', '.join(sorted(_POSTGRESQL_OPTIONS))}")
    return text


def _clickhouse(texts: list[str]) -> list[str]:
    schemes = set()
    for text in texts:
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise ValueError("this is not an address") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("write addresses such as https://events.example:8443")
        if parts.username is not None or parts.password is not None:
            raise ValueError(
                f"name and password do not belong here: use `user` and `password_file` or {EVENT_STORE_PASSWORD}"
            )
        schemes.add(parts.scheme)
    if len(schemes) > 1:
        raise ValueError("all hosts must be http, or all https")
    return texts


class _Server(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    # A file whose only line is the password, readable by this account only.
    password_file: str = ""
    password: SecretStr = SecretStr("")  # never configured: read from the file or the environment

    def with_password(self, folder: Path, named: str, key: str, variable: str) -> Self:
        """With the password that its file or the environment has. Raises ConfigurationError."""
        if self.password.get_secret_value():
            raise ConfigurationError(
                f"{named}: key '{key}.password': a password does not belong into the configuration.",
                next_step=f"Use {key}.password_file or the environment's {variable}.",
            )
        if not self.password_file:
            return self.model_copy(update={"password": SecretStr(os.environ.get(variable, ""))})
        file = (folder / self.password_file).resolve()
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(
                f"{named}: key '{key}.password_file': {file} cannot be read.",
                next_step="Check the path and its rights.",
            ) from None
        if len(lines) != 1 or not lines[0]:
            raise ConfigurationError(f"{named}: key '{key}.password_file': {file} must hold one line, the password.")
        return self.model_copy(update={"password": SecretStr(lines[0])})


class Database(_Server):
    """The relational database: a file in `data` (SQLite), or a PostgreSQL server."""

    url: Annotated[str, AfterValidator(_postgresql)] = ""

    @property
    def is_server(self) -> bool:
        return bool(self.url)

    def resolved(self, folder: Path, named: str) -> Database:
        """With its password. Raises ConfigurationError."""
        if not self.is_server and self.password_file:
            raise ConfigurationError(f"{named}: key 'database.password_file' says nothing without 'database.url'.")
        return self.with_password(folder, named, "database", DATABASE_PASSWORD) if self.is_server else self

    def django(self, data: Path) -> dict[str, Any]:
        """What Django calls a database."""
        if not self.is_server:
            pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": data / "central.sqlite3",
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas},
            }
        parts = urlsplit(self.url)
        options = dict(parse_qsl(parts.query))
        host = options.pop("host", unquote(parts.hostname or ""))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.strip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": self.password.get_secret_value(),
            "HOST": host,
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 300,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"connect_timeout": 10, "application_name": "cyberalarm", **options},
        }


class EventStoreAddress(_Server):
    """The event store: a folder in `data` (chDB), or ClickHouse servers. Of several hosts any will do."""

    hosts: Annotated[list[str], AfterValidator(_clickhouse)] = []
    user: str = "default"
    name: str = "default"
    authority: str = ""
    cluster: str = ""

    @property
    def is_server(self) -> bool:
        return bool(self.hosts)

    def resolved(self, folder: Path, named: str) -> EventStoreAddress:
        """With its password and whole paths. Raises ConfigurationError."""
        if not self.is_server:
            said = sorted(self.model_fields_set - {"hosts"})
            if said:
                raise ConfigurationError(
                    f"{named}: key 'event_store.{said[0]}' says nothing without 'event_store.hosts'."
                )
            return self
        authority = str((folder / self.authority).resolve()) if self.authority else ""
        if authority and not Path(authority).is_file():
            raise ConfigurationError(f"{named}: key 'event_store.authority': there is no file {authority}.")
        known = self.model_copy(update={"authority": authority})
        return known.with_password(folder, named, "event_store", EVENT_STORE_PASSWORD)

    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each."""
        told = [urlsplit(text) for text in self.hosts]
        return tuple((p.hostname or "", p.port or (_HTTPS if p.scheme == "https" else _HTTP)) for p in told)

    @property
    def tls(self) -> bool:
        return any(text.startswith("https:") for text in self.hosts)
