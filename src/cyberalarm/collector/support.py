"""The support bundle: what somebody needs who helps with a collector, and nothing else, as a zip file.

Built by naming what goes in, never by copying folders. In it are facts, counts and redacted samples. Never in it: the signing
key, the salt behind the devices' ids, the spool, registration tokens, passwords, lines of devices, mailboxes, addresses of
devices and networks. `README.txt` in the bundle says so, and what each file is.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cyberalarm import __version__
from cyberalarm.collector import checking, machine
from cyberalarm.collector import identity as identities
from cyberalarm.collector import state as notes
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.doctor import examine
from cyberalarm.collector.drift import samples
from cyberalarm.collector.drift.redact import redact
from cyberalarm.collector.scrub import REMOVED, Scrubber
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyberalarm.collector.config import CollectorConfig

UNIT = "cyberalarm-collector"
LOG_LINES = 500
_PATIENCE = 20.0
_LIBRARIES = ("cryptography", "pydantic", "rich", "structlog", "typer", "urllib3")
_MISTYPED = 0.75  # how like a key a name must be
_NETWORK_KEYS = {"own", "trusted"}
_LISTED = re.compile(r"(?:listen|metrics)\b")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle."""

    name: str
    about: str
    content: str


def gather(path: Path | None, log: Callable[[], Iterable[str]] | None = None) -> list[Part]:
    """All files of the bundle for the collector with this configuration file. `log` gives log lines; else the journal does."""
    checked = checking.check(path)
    config = checked.config
    scrubber = Scrubber((*_secrets(config), *_unknown_keys(path)))
    parts = [
        Part("configuration.json", "the configuration, without secrets, addresses and comments", _configuration(path)),
        Part(
            "check.json",
            "what `collector check` says of the configuration",
            _json([asdict(r) for r in checked.remarks]),
        ),
        Part("doctor.json", "what `collector doctor` says", _json([asdict(check) for check in examine(path)])),
        Part("versions.json", "versions of the program and of what it uses", _json(_versions())),
        Part("system.json", "the machine: system, memory, disk, clock", _json(_system(config))),
    ]
    if config is not None:
        parts.append(Part("state.json", "the running collector's counts; devices by id", _state(config)))
        kept = {name: [one.model_dump() for one in forms] for name, forms in samples.read(config.data).items()}
        parts.append(Part("samples.json", "redacted forms of lines that were not understood", _json(kept)))
    lines = [_log_line(line) for line in (log or _journal)()]
    parts.append(
        Part("log.txt", f"the last {LOG_LINES} lines of the collector's log, redacted", "\n".join(lines[-LOG_LINES:]))
    )
    clean = [Part(part.name, part.about, _cleaned(scrubber, part)) for part in parts]
    return [Part("README.txt", "what is in this file, and what is not", _readme(clean)), *clean]


def write(target: Path, parts: Iterable[Part]) -> None:
    """Write the bundle, for its owner only. Raises OSError, also when there is such a file already."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for part in parts:
            bundle.writestr(part.name, part.content)


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def _cleaned(scrubber: Scrubber, part: Part) -> str:
    """Texts are cleaned one by one, so that JSON stays JSON."""
    if part.name.endswith(".json"):
        return _json(scrubber.tree(json.loads(part.content)))
    return "\n".join(_cleaned_line(scrubber, line) for line in part.content.splitlines())


def _cleaned_line(scrubber: Scrubber, line: str) -> str:
    if line.startswith("{"):
        with suppress(ValueError, RecursionError):
            return json.dumps(scrubber.tree(json.loads(line)), ensure_ascii=False)
    return scrubber.clean(line)


def _secrets(config: CollectorConfig | None) -> Iterable[str]:
    """Texts that are secret here, or name this machine or a host of its network."""
    host = socket.gethostname()
    yield from (name for name in {host, host.partition(".")[0]} if len(name) > 2 and name != "localhost")
    if config is None:
        return
    try:
        identity = identities.load(config.data)
        through = Centre(identity.centre, "", config.proxy).through
    except (CyberAlarmError, OSError):
        through = config.proxy
    for url in {through, config.proxy}:
        parts = urlsplit(url)
        for text in (parts.password, parts.username, parts.hostname):
            if text:
                yield text
                yield unquote(text)


def _configuration(path: Path | None) -> str:
    """Keys and values as they are set, so that nothing of the file's comments comes along."""
    if path is None:
        return _json({"note": "No file is used: everything has its default."})
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return _json({"note": f"The file cannot be read: {type(error).__name__}."})
    return _json(_redacted(table))


def _unknown_keys(path: Path | None) -> Iterable[str]:
    """Names in the file that are no keys, nor look like one that was mistyped: nobody knows what they say."""
    known = {key[-1] for key, _ in checking.known_keys()}
    waiting: list[object] = []
    with suppress(OSError, ValueError, RecursionError):
        waiting = [tomllib.loads(path.read_text("utf-8"))] if path else []
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            yield from (key for key in value if not get_close_matches(key, known, 1, _MISTYPED))


def _redacted(table: dict[str, object], section: str = "") -> dict[str, object]:
    known = {key[-1] for key, _ in checking.known_keys() if ".".join(key[:-1]) == section}
    found: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            found[key] = f"{REMOVED}: no key of the collector's"
        elif isinstance(value, dict):
            found[key] = _redacted(value, f"{section}.{key}".strip("."))
        elif section == "networks" and key in _NETWORK_KEYS and isinstance(value, list):
            found[key] = [
                f"[network]/{str(one).rpartition('/')[2]}" if "/" in str(one) else "[address]" for one in value
            ]
        elif key == "proxy":
            found[key] = "[a proxy]" if value else ""
        else:
            found[key] = value
    return found


def _state(config: CollectorConfig) -> str:
    """The note as it is, without the addresses behind the devices' ids."""
    state = notes.read(config.data)
    if state is None:
        return _json({"note": "There is no whole note here, or this account may not read it."})
    found = state.model_dump()
    for device in found["devices"].values():
        device["source"] = (
            device["source"] if _LISTED.match(device["source"].removeprefix("listener ")) else "[address]"
        )
    return _json(found)


def _versions() -> dict[str, str]:
    found = {"cyberalarm": __version__, "python": sys.version.split()[0]}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _system(config: CollectorConfig | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "distribution": _distribution(),
        "processors": os.cpu_count(),
        "memory": _rows("/proc/meminfo", ("MemTotal", "MemAvailable", "SwapTotal")),
        "load": os.getloadavg(),
        "up seconds": _first_number("/proc/uptime"),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "time synchronised": machine.synchronised(),
        "net.core.rmem_max": machine.granted_buffer(),
        "udp": _rows("/proc/net/snmp", ("Udp",)),
    }
    if config is not None:
        with suppress(OSError):
            usage = shutil.disk_usage(config.data if config.data.exists() else config.data.parent)
            facts["disk of the data folder"] = {"total": usage.total, "free": usage.free}
            facts["files in the data folder"] = _listing(config.data)
    return facts


def _distribution() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return ""


def _rows(path: str, names: tuple[str, ...]) -> list[str]:
    with suppress(OSError):
        return [row for row in Path(path).read_text("ascii", "replace").splitlines() if row.split(":")[0] in names]
    return []


def _first_number(path: str) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        return float(Path(path).read_text("ascii").split()[0])
    return None


def _listing(folder: Path) -> list[dict[str, object]]:
    """Names, sizes, modes and owners at the top of the data folder; what bundles wait is a number."""
    found: list[dict[str, object]] = []
    for path in sorted(folder.iterdir()):
        with suppress(OSError):
            status = path.stat()
            entry = {"name": path.name, "bytes": status.st_size, "mode": oct(status.st_mode & 0o7777)}
            entry["owner"] = machine.account(status.st_uid)
            if path.is_dir():
                entry |= {"bytes": machine.size_of(path), "files": sum(1 for _ in path.iterdir())}
            found.append(entry)
    return found


def _journal() -> list[str]:
    command = ["journalctl", "-u", UNIT, "-n", str(LOG_LINES), "-o", "cat", "--no-pager", "-q"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ["The journal cannot be read here."]
    return done.stdout.decode("utf-8", "replace").splitlines() or [
        "The journal holds nothing of the collector, or this account may not read it."
    ]


_OWN_KEYS = re.compile(r"[a-z_]{1,40}")
_CODE = re.compile(r"[a-zA-Z0-9._:+-]{1,64}")


def _log_line(line: str) -> str:
    """Our own lines keep their names and figures; of any other line only the form stays."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return redact(line.encode("utf-8", "replace"))
    if not isinstance(event, dict):
        return redact(line.encode("utf-8", "replace"))
    kept = {key: _log_value(value) for key, value in event.items() if _OWN_KEYS.fullmatch(key)}
    return json.dumps(kept, ensure_ascii=False)


def _log_value(value: object) -> object:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list):
        return [_log_value(one) for one in value[:20]]
    text = str(value)
    return text if _CODE.fullmatch(text) else redact(text.encode("utf-8", "replace"))


def _readme(parts: list[Part]) -> str:
    listed = "\n".join(f"  {part.name:20} {part.about}" for part in parts)
    return f"""\
Support bundle of a CyberAlarm collector, version {__version__}, made {time.strftime("%d %B %Y at %H:%M %Z")}.

It is for the people who help you with this collector. You made it yourself; nothing is sent by itself. Read it before you pass
it on: every file is plain text.

In it:

{listed}

Not in it, or taken out and replaced by words in square brackets: the collector's signing key, the salt behind the ids of your
devices, bundles that wait to be sent, registration tokens, passwords and names of a proxy, lines that your devices sent
(samples hold their form only), mailboxes, names of this machine and its users, and addresses of devices and networks. An
address is replaced by a number, the same throughout this file, so that it can be seen where the same one is meant.

What still tells something of you: the collector's reference, the name of your centre, which products your devices are, how many
lines they send, and the settings in configuration.json. The length of your networks ([network]/29) is there, the networks
themselves are not.
"""
