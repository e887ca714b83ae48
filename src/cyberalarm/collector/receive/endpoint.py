"""Where a receiver listens: an endpoint as text, and a socket bound to it."""

from __future__ import annotations

import socket

from cyberalarm.core.errors import ConfigurationError


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def bound(endpoint: str, kind: socket.SocketKind) -> socket.socket:
    """A socket of the endpoint's family that is bound to it. Raises OSError.

    An IPv6 endpoint takes IPv6 only, whatever the system's default, so that `0.0.0.0:514` and `[::]:514` can stand side by side and
    a device has one address.
    """
    host, port = split_endpoint(endpoint)
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def listening(endpoint: str, kind: socket.SocketKind) -> socket.socket:
    """`bound`, for a running collector. Raises ConfigurationError that says what to do."""
    name, option = ("UDP", "-lunp") if kind == socket.SOCK_DGRAM else ("TCP", "-ltnp")
    try:
        return bound(endpoint, kind)
    except OSError as error:
        raise ConfigurationError(
            f"{name} port {endpoint} cannot be used: {error.strerror}.",
            next_step=f"Another program may hold it (`ss {option}`), or ports below 1024 need more rights.",
        ) from error


def as_text(address: tuple[str, int]) -> str:
    """Host and port as an endpoint."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
