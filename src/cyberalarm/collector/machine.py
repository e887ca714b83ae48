"""What this machine allows and how it is: accounts, ports and who holds them, buffers, time synchronisation, its own addresses.

Reads what the operating system shows to anybody; where it shows nothing, says so (None, or an empty text) instead of guessing.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm.collector.receive.endpoint import bound, split_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.collector.config import CollectorConfig

_CAP_NET_BIND_SERVICE = 10  # linux/capability.h
_CAP_NET_ADMIN = 12
_LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp
_MAXERROR_AT, _UNSYNCHRONISED_US = 24, 16_000_000  # struct timex, adjtimex(2); NTP_PHASE_LIMIT, as systemd takes it
_TIMEX_BYTES = 256


@dataclass(frozen=True, slots=True)
class Listener:
    """A place where the collector listens: `udp`, `tcp` or `tls`, and the endpoint as it is configured."""

    protocol: str
    endpoint: str

    @property
    def kind(self) -> socket.SocketKind:
        return socket.SOCK_DGRAM if self.protocol == "udp" else socket.SOCK_STREAM

    @property
    def name(self) -> str:
        return f"Port {self.endpoint} ({self.protocol.upper()})"


def listeners(config: CollectorConfig) -> list[Listener]:
    """Every place where a collector with this configuration listens."""
    named = config.listen.model_dump()
    return [Listener(kind, endpoint) for kind in ("udp", "tcp", "tls") for endpoint in named.get(kind, [])]


def account(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def address_trouble(host: str) -> str:
    """Why this machine cannot listen on an address; empty when it can."""
    try:
        bound(f"[{host}]:0" if ":" in host else f"{host}:0", socket.SOCK_DGRAM).close()
    except OSError as error:
        return error.strerror or "it cannot be used"
    return ""


def first_open_port() -> int:
    """The lowest port that any account may open."""
    return _number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024)


def may_bind_low_ports() -> bool:
    return _has_capability(_CAP_NET_BIND_SERVICE)


def most_receive_buffer() -> int | None:
    """The bytes of a receive buffer that the operating system grants; None when this account has no bound."""
    return None if _has_capability(_CAP_NET_ADMIN) else granted_buffer()


def granted_buffer() -> int | None:
    """The bytes of a receive buffer that an account without special rights gets; None when that cannot be read."""
    return _number("/proc/sys/net/core/rmem_max", 0) or None


def raise_buffer(wanted: int) -> str:
    """How to let the operating system grant a buffer."""
    return (
        f"As root: echo 'net.core.rmem_max = {wanted}' > /etc/sysctl.d/60-cyberalarm.conf && sysctl --system;"
        " then start the collector again."
    )


def _has_capability(number: int) -> bool:
    with suppress(OSError, ValueError):
        for row in Path("/proc/self/status").read_text("ascii").splitlines():
            if row.startswith("CapEff:"):
                return bool(int(row.split()[1], 16) >> number & 1)
    return os.geteuid() == 0


def _number(path: str, otherwise: int) -> int:
    try:
        return int(Path(path).read_text("ascii"))
    except (OSError, ValueError):
        return otherwise


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where it cannot be read."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def synchronised() -> bool | None:
    """Is something setting this machine's clock (NTP)? None when the system does not say."""
    words = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: look, change nothing
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(words) < 0:
            return None
    except (AttributeError, OSError):
        return None
    return int.from_bytes(words.raw[_MAXERROR_AT : _MAXERROR_AT + 8], "little", signed=True) < _UNSYNCHRONISED_US


def own_address(towards: str = "192.0.2.1") -> str:
    """The address of this machine that devices in its network would use; empty when it has none. Nothing is sent."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        return str(probe.getsockname()[0])
    return ""


def local_firewall(port: int, protocol: str) -> str:
    """How to let a port through this machine's own firewall, where one of the usual ones is switched on; else empty."""
    with suppress(OSError):
        if "ENABLED=yes" in Path("/etc/ufw/ufw.conf").read_text("utf-8", "replace"):
            return f"sudo ufw allow {port}/{protocol}"
    if Path("/run/firewalld").exists():
        return f"sudo firewall-cmd --permanent --add-port={port}/{protocol} && sudo firewall-cmd --reload"
    return ""


def holder(listener: Listener) -> str:
    """Which program has a port open, in words; empty when nobody seems to, or it cannot be seen."""
    _, port = split_endpoint(listener.endpoint)
    table = "udp" if listener.protocol == "udp" else "tcp"
    for row in (*_rows(table), *_rows(f"{table}6")):
        if int(row[1].rpartition(":")[2], 16) != port or (table == "tcp" and row[3] != _LISTENING):
            continue
        process = _process_of(row[9])
        return process or f"a program of the account {account(int(row[7]))}"
    return ""


def _rows(table: str) -> Iterator[list[str]]:
    with suppress(OSError):
        for row in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
            columns = row.split()
            if len(columns) > 9:
                yield columns


def _process_of(inode: str) -> str:
    """Name and number of the process that has a socket open, if this account may see it."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for handle in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(handle.readlink()) == wanted:
                        name = (process / "comm").read_text("utf-8", "replace").strip()
                        return f"{name} (process {process.name})"
    return ""
