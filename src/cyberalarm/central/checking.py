"""Checks a centre's configuration without starting anything: all mistakes at once, each with its line and the next step, and
what is lawful but hardly meant.

A mistake keeps the centre from starting or from its work; a warning does not. Looks only: it makes no folder and no key, opens no
port for longer than it takes to see that the address is this machine's, and asks nobody.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import ValidationError

from cyberalarm.central.config import CentralConfig
from cyberalarm.core.toml_places import nearest, places
from cyberalarm.envelope.certificate import valid_until
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.keys import AnalysisPublicKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

_SEE = "docs/configuration.md explains every key."
# Enough for the largest envelope as it came and as it is stored, several times over (see `site.health.LEAST_FREE`).
_LITTLE_ROOM = 5 * 1024**3
_SOON = timedelta(days=60)
_EXAMPLE = "example.org"


class Severity(StrEnum):
    MISTAKE = "mistake"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about the configuration. `key` and `line` (from 1) are empty and None where no single key is to blame."""

    severity: Severity
    what: str
    next_step: str
    key: str = ""
    line: int | None = None


def check(path: Path | None) -> tuple[Remark, ...]:
    """Check a configuration file; the defaults when none is named. In the order of the file's lines."""
    if path is None:
        return tuple(_remarks(CentralConfig(), Path.cwd()))
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return (_mistake(f"The file is not UTF-8 text: byte {error.start} cannot be.", "Save it as UTF-8."),)
    except OSError as error:
        step = f"Check the path, and who may read it: ls -l {path}"
        return (_mistake(f"The file cannot be read: {error.strerror}.", step),)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        step = "Texts stand in quotes, lists in square brackets."
        return (_mistake(f"The file is not valid TOML: {str(error)[:200]}.", step),)
    where = places(text)
    try:
        found = list(_remarks(CentralConfig.model_validate(table), path.parent))
    except ValidationError as error:
        found = [_told(one) for one in error.errors(include_url=False, include_input=False)]
    placed = (
        Remark(
            one.severity,
            one.what,
            one.next_step,
            one.key,
            nearest(where, tuple(one.key.split("."))) if one.key else None,
        )
        for one in found
    )
    return tuple(sorted(placed, key=lambda one: (one.line is None, one.line or 0)))


def _mistake(what: str, next_step: str, key: str = "") -> Remark:
    return Remark(Severity.MISTAKE, what, next_step, key)


def _warning(key: str, what: str, next_step: str) -> Remark:
    return Remark(Severity.WARNING, what, next_step, key)


def _told(error: ErrorDetails) -> Remark:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        close = get_close_matches(str(error["loc"][-1]), CentralConfig.model_fields, 1)
        return _mistake("There is no such key.", f"Did you mean {close[0]!r}? {_SEE}" if close else _SEE, key)
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "This must be")
    return _mistake(f"{said[:1].upper()}{said[1:]}.", _SEE, key)


def _remarks(config: CentralConfig, folder: Path) -> Iterator[Remark]:
    yield from _data(config, folder)
    yield from _address(config)
    yield from _files(config, folder)
    yield from _certificate(folder / config.data)
    yield from _people(config)


def _data(config: CentralConfig, folder: Path) -> Iterator[Remark]:
    data = (folder / config.data).resolve()
    there = data
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        yield _mistake(f"{there} is no folder.", "Name another one.", "data")
        return
    if not os.access(there, os.W_OK | os.X_OK):
        step = f"Give it to the account that the centre runs as: chown -R cyberalarm {data}"
        yield _mistake(f"This account may not write in {there}.", step, "data")
    free = shutil.disk_usage(there).free
    if free < _LITTLE_ROOM:
        what = f"Only {free / 1024**3:.1f} GiB are free on the disk of {there}."
        yield _warning("data", what, "Make room, or name a folder on a larger disk.")


def _address(config: CentralConfig) -> Iterator[Remark]:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        try:
            one.bind((config.host, 0))  # any port: the centre itself may be holding its own
        except OSError as error:
            what = f"This machine cannot listen on {config.host}: {error.strerror}."
            yield _mistake(what, "Write 0.0.0.0 for all addresses of this machine.", "host")
    lowest = _lowest_port()
    if config.port < lowest and os.geteuid() != 0:
        what = f"Port {config.port} is below {lowest}, and this account may not open it."
        yield _warning(
            "port", what, "Let systemd grant CAP_NET_BIND_SERVICE, or choose a port such as 8443 behind a proxy."
        )
    named = urlsplit(config.url).hostname or ""
    if named in ("127.0.0.1", "localhost", "0.0.0.0", "::", "::1"):  # noqa: S104 - compared, not listened on
        what = f"Members and collectors are told to reach the centre at {config.url}, which no other machine can."
        yield _warning("public_url", what, 'Write the name that they use: public_url = "https://centre.example.org"')


def _lowest_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text("ascii"))
    except (OSError, ValueError):
        return 1024


def _files(config: CentralConfig, folder: Path) -> Iterator[Remark]:
    for key in ("country_database", "countries_extra", "recovery_key"):
        named = getattr(config, key)
        if named and not (folder / named).is_file():
            yield _mistake(f"There is no file {(folder / named).resolve()}.", "Check the path.", key)
        elif named and not os.access(folder / named, os.R_OK):
            yield _mistake(f"This account may not read {(folder / named).resolve()}.", "Check who may.", key)
    if not config.recovery_key:
        step = "Make one on another machine: cyberalarm central recovery-key FILE (docs/operating.md, Back up)."
        yield _warning("recovery_key", "No backup can be made: there is no recovery key.", step)
    elif (folder / config.recovery_key).is_file():
        yield from _recovery_key(folder / config.recovery_key)


def _recovery_key(path: Path) -> Iterator[Remark]:
    try:
        AnalysisPublicKey.from_text(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, KeyRefused):
        what, step = f"{path} does not hold a public recovery key.", "Name the file that ends in .pub."
        yield _mistake(what, step, "recovery_key")


def _certificate(data: Path) -> Iterator[Remark]:
    paths = data / "keys" / "tls-certificate.pem", data / "keys" / "tls-key.pem"
    try:
        if not paths[0].exists():
            return  # made at the first start
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths)
        until = valid_until(paths[0].read_bytes())
    except PermissionError:
        yield _warning("", f"This account may not look into {data}.", "Check as the account that the centre runs as.")
        return
    except (OSError, ValueError):
        what = "The TLS certificate cannot be used: the two files do not belong together, or are damaged."
        yield _mistake(what, f"Put a certificate and the key that fits it into {data / 'keys'}.")
        return
    if until - datetime.now(UTC) < _SOON:
        what = f"The TLS certificate ends on {until:%d %B %Y}."
        yield _warning("", what, "Replace it: cyberalarm central rotate-key certificate (docs/operating.md).")


def _people(config: CentralConfig) -> Iterator[Remark]:
    for key in ("contact", "email_from"):
        if getattr(config, key).endswith(_EXAMPLE):
            what = f"{key} is still the example's address: members are told to write to it."
            yield _warning(key, what, "Write an address of yours.")
    if not config.email_host:
        what = "No mail is sent: each message becomes a file in the data folder."
        yield _warning("email_host", what, 'Name your mail server: email_host = "mail.example.org"')
    if config.source_list_minimum_members < config.trend_minimum_members:
        what = (
            f"The list of sources goes by {config.trend_minimum_members} members all the same (trend_minimum_members)."
        )
        yield _warning("source_list_minimum_members", what, "Raise it, or lower the other.")
    trusted = {key.key_id for key in config.trusted_release_keys}
    if config.release_keys and not trusted:
        yield _mistake("Every release key is revoked.", "Add one that is not.", "release_keys")
