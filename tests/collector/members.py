"""A collector's folder and configuration, and lines that its devices could send. All addresses are from documentation ranges."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector.config import CollectorConfig, load
from cyberalarm.collector.files import only_one
from cyberalarm.collector.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Home:
    """A collector's folder, with ports of its own on loopback."""

    path: Path
    udp: int
    tcp: int

    @classmethod
    def make(cls, folder: Path, extra: str = "", bundle_seconds: float = 1) -> Home:
        folder.mkdir(parents=True, exist_ok=True)
        udp, tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        (folder / "collector.toml").write_text(
            f'data = "data"\ntime_zone = "UTC"\nbundle_seconds = {bundle_seconds}\n{extra}\n'
            f'[listen]\nudp = ["127.0.0.1:{udp}"]\ntcp = ["127.0.0.1:{tcp}"]\n'
            '[networks]\nown = ["203.0.113.0/24"]\n'
        )
        return cls(folder / "collector.toml", udp, tcp)

    @property
    def config(self) -> CollectorConfig:
        return load(self.path)

    @property
    def data(self) -> Path:
        return self.config.data


@contextmanager
def opened(config: CollectorConfig) -> Iterator[Service]:
    """A collector in this process that does not run: its parts are asked one by one."""
    with only_one(config.data):
        made = Service(config)
        try:
            yield made
        finally:
            made._receivers.close()


def blocked(number: int, source: str = "") -> bytes:
    """A netfilter line of a blocked connection; each number its own flow."""
    source = source or f"198.51.100.{number % 250 + 1}"
    port = number // 250 % 60000 + 1
    return (
        f"<4>Mar  9 12:00:00 gateway kernel: [1.0] [UFW BLOCK] IN=eth0 OUT= MAC= SRC={source} DST=203.0.113.7 LEN=60 "
        f"TOS=0x00 PREC=0x00 TTL=49 ID={number % 65536} DF PROTO=TCP SPT=40000 DPT={port} WINDOW=64240 SYN URGP=0"
    ).encode()


def let_in(number: int) -> bytes:
    """Allowed to a harmless port: routine."""
    line = blocked(number % 250, f"192.0.2.{number % 250 + 1}")
    return line.replace(b"[UFW BLOCK]", b"[UFW ALLOW]").replace(b"DPT=1 ", b"DPT=443 ")


STRANGE = b"<13>Mar  9 12:00:00 gateway mystery: the cat sat on the mat"
