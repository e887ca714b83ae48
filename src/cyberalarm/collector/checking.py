"""Checks a collector's configuration without starting anything: all mistakes at once, each with its line and the next step, and
what is lawful but hardly meant.

A mistake keeps the collector from starting; a warning does not. Looks only: it opens no port for longer than it takes to see that
the address is this machine's, and writes nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from cyberalarm.collector import machine
from cyberalarm.collector.config import CollectorConfig, beside
from cyberalarm.collector.receive.endpoint import split_endpoint
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.toml_places import nearest, places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

_SEE = "docs/configuration.md explains every key."
# The networks of the example that is delivered (deploy/collector/collector.toml; RFC 5737 keeps it for examples).
_EXAMPLE = "203.0.113.0/29"
# Wider than any member's own addresses or supplier: the largest block that RIPE NCC hands out at once is a /22, and /29 of IPv6.
_WIDEST = {4: 16, 6: 29}
_UTC = {"UTC", "GMT", "Zulu", "Universal", "Greenwich", "UCT"}


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


@dataclass(frozen=True, slots=True)
class Checked:
    """`config` is None when there is a mistake because of which it cannot be read."""

    config: CollectorConfig | None
    remarks: tuple[Remark, ...]

    @property
    def mistakes(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.severity is Severity.MISTAKE)


def check(path: Path | None) -> Checked:
    """Check a configuration file; the defaults when none is named."""
    if path is None:
        return Checked(CollectorConfig(), tuple(_remarks(CollectorConfig(), None)))
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        return _unreadable(f"The file is not UTF-8 text: byte {error.start} cannot be.", "Save it as UTF-8.")
    except OSError as error:
        return _unreadable(
            f"The file cannot be read: {error.strerror}.", f"Check the path, and who may read it: ls -l {path}"
        )
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = str(error)[:200]
        return _unreadable(f"The file is not valid TOML: {said}.", "Texts stand in quotes, lists in square brackets.")
    where = places(text)
    try:
        config = beside(path, CollectorConfig.model_validate(table))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        mistakes = (_mistake(one, nearest(where, one["loc"])) for one in found)
        return Checked(None, tuple(sorted(mistakes, key=lambda one: one.line or 0)))
    remarks = tuple(
        Remark(r.severity, r.what, r.next_step, r.key, nearest(where, tuple(r.key.split("."))) if r.key else None)
        for r in _remarks(config, path)
    )
    return Checked(config, remarks)


def _unreadable(what: str, next_step: str) -> Checked:
    return Checked(None, (Remark(Severity.MISTAKE, what, next_step),))


def _mistake(error: ErrorDetails, line: int | None) -> Remark:
    path = error["loc"]
    key = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        return Remark(Severity.MISTAKE, "There is no such key.", _meant(path), key, line)
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "This must be")
    return Remark(Severity.MISTAKE, f"{said[:1].upper()}{said[1:]}.", _SEE, key, line)


def _meant(path: tuple[str | int, ...]) -> str:
    """What somebody may have meant by a key that is not there."""
    named = [part for part in path if isinstance(part, str)]
    section, wrong = named[:-1], named[-1]
    known = dict(known_keys())
    for same_name in (key for key in known if key[-1] == wrong):
        table = ".".join(same_name[:-1])
        return f"It belongs under [{table}]." if table else "It belongs in front of the first [section]."
    here = {key[-1]: key for key in known if list(key[:-1]) == section}
    close = get_close_matches(wrong, here, 1) or get_close_matches(wrong, {key[-1] for key in known}, 1)
    return f"Did you mean {close[0]!r}? {_SEE}" if close else _SEE


def known_keys(
    model: type[BaseModel] = CollectorConfig, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    """All keys of the configuration, with the sections' own names, each with its type."""
    for name, field in model.model_fields.items():
        key = (*before, field.alias or name)
        yield key, field.annotation
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from known_keys(kind, key)


def _remarks(config: CollectorConfig, path: Path | None) -> Iterator[Remark]:
    yield from _addresses(config)
    yield from _certificate(config)
    yield from _own_networks(config)
    yield from _trusted_networks(config)
    yield from _time_zone(config)
    yield from _data(config)
    if path is not None:
        yield from _file(config, path)


def _warning(key: str, what: str, next_step: str) -> Remark:
    return Remark(Severity.WARNING, what, next_step, key)


def _addresses(config: CollectorConfig) -> Iterator[Remark]:
    listeners = machine.listeners(config)
    if not listeners and not _reads_files(config):
        yield _warning("listen.udp", "Nothing is listened to.", "Name a port, such as 0.0.0.0:514, under listen.udp.")
    named: set[tuple[str, str]] = set()
    for listener in listeners:
        key, (host, port) = f"listen.{listener.protocol}", split_endpoint(listener.endpoint)
        layer = "udp" if listener.protocol == "udp" else "tcp"
        if (layer, listener.endpoint) in named and port:
            what = f"{listener.endpoint} is named twice, and a port can be opened once only."
            yield Remark(Severity.MISTAKE, what, "Leave one of them out.", key)
        named.add((layer, listener.endpoint))
        trouble = machine.address_trouble(host)
        if trouble:
            what = f"This machine cannot listen on the address {host}: {trouble}."
            yield Remark(Severity.MISTAKE, what, "Write 0.0.0.0 for all addresses of this machine.", key)
        if 0 < port < machine.first_open_port() and not machine.may_bind_low_ports():
            yield _warning(
                key,
                f"Port {port} is below {machine.first_open_port()}, and this account may not open it.",
                "Run the collector by its systemd unit, which may; or choose a port such as 5514.",
            )
    bound = machine.most_receive_buffer()
    if config.listen.udp and bound is not None and bound < config.listen.receive_buffer:
        yield _warning(
            "listen.receive_buffer",
            f"The operating system grants {bound:,} bytes of the {config.listen.receive_buffer:,} that are asked for.",
            machine.raise_buffer(config.listen.receive_buffer),
        )


def _certificate(config: CollectorConfig) -> Iterator[Remark]:
    """Could TLS be served with the files that are named?"""
    if not config.listen.tls:
        return
    from cyberalarm.collector.receive.tls import TlsDoor, TlsFiles

    try:
        TlsDoor(TlsFiles.of(config.tls, config.data))
    except ConfigurationError as error:
        yield Remark(Severity.MISTAKE, error.what, error.next_step, "listen.tls")


def _reads_files(config: CollectorConfig) -> bool:
    """Are lines taken from files instead?"""
    sections = config.model_dump()
    return bool(sections.get("files") or (sections.get("drop") or {}).get("folder"))


def _own_networks(config: CollectorConfig) -> Iterator[Remark]:
    key = "networks.own"
    if not config.networks.own:
        yield _warning(
            key,
            "None of your public addresses is named, so what comes in to them cannot be told from what passes by.",
            "Write your public addresses there; your Internet provider or your firewall's WAN page tells them.",
        )
    for text in config.networks.own:
        if text == _EXAMPLE:
            yield _warning(key, f"{text} is the example's network.", "Write your own public addresses in its place.")
        elif ip_network(text).prefixlen < _WIDEST[ip_network(text).version]:
            yield _warning(
                key,
                f"{text} is far wider than one organisation's network: what comes from it counts as internal and is not sent.",
                "Name only addresses that are yours.",
            )


def _trusted_networks(config: CollectorConfig) -> Iterator[Remark]:
    for text in config.networks.trusted:
        network = ip_network(text)
        if network.prefixlen == 0:
            what = f"{text} is the whole Internet: nothing at all would be sent."
        elif network.prefixlen < _WIDEST[network.version]:
            what = f"{text} is {network.num_addresses:,} addresses, and nothing that they do would be sent."
        else:
            continue
        yield _warning("networks.trusted", what, "Name only the addresses that you know.")


def _time_zone(config: CollectorConfig) -> Iterator[Remark]:
    if config.time_zone.removeprefix("Etc/") in _UTC:
        yield _warning(
            "time_zone",
            "Devices that write no zone are taken to write UTC. A device on British time is an hour ahead in summer.",
            'Write "Europe/London" unless your devices are set to UTC.',
        )


def _data(config: CollectorConfig) -> Iterator[Remark]:
    folder = config.data
    try:
        found = folder.stat()
    except FileNotFoundError:
        if not os.access(next(p for p in folder.parents if p.exists()), os.W_OK):
            what = f"The folder {folder} is not there, and this account may not make it."
            yield _warning("data", what, "Make it, and give it to the collector's account.")
        return
    except OSError as error:
        yield _warning("data", f"The folder {folder} cannot be looked at: {error.strerror}.", "Check the path.")
        return
    owner = machine.account(found.st_uid)
    if not stat.S_ISDIR(found.st_mode):
        yield Remark(Severity.MISTAKE, f"{folder} is no folder.", "Name a folder.", "data")
    elif not os.access(folder, os.W_OK | os.X_OK):
        what = f"This account may not write in {folder}; it belongs to {owner}."
        yield _warning("data", what, f"Run the collector as {owner}: sudo -u {owner} cyberalarm …")
    elif found.st_mode & 0o077:
        what = f"Other accounts of this machine may look into {folder}, which holds the collector's key."
        yield _warning("data", what, f"chmod 700 {folder}")
    elif (free := shutil.disk_usage(folder).free) < config.spool_bytes - machine.size_of(folder / "spool"):
        what = f"The spool may take {config.spool_bytes:,} bytes, and {free:,} are free on its disk."
        yield _warning("spool_bytes", what, "Free some space, or lower it.")


def _file(config: CollectorConfig, path: Path) -> Iterator[Remark]:
    mode = path.stat().st_mode
    if mode & 0o022:
        what = "Other accounts may change this file, and with it what leaves your network."
        yield _warning("", what, f"chmod go-w {path}")
    if urlsplit(config.proxy).password is not None and mode & 0o004:
        what = "The proxy's password stands in a file that every account of this machine may read."
        yield _warning("proxy", what, f"chown root:cyberalarm {path} && chmod 640 {path}")
