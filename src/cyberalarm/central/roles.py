"""What this process of the centre does. In the profile `embedded` one process does everything."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A part of the centre's work that a process may have to itself."""

    WEB = "web"  # pages
    INGEST = "ingest"  # the collector API
    WORKER = "worker"  # scheduled jobs


ALL = frozenset(Role)
_COLLECTORS = "/api/collector/"
_EVERYWHERE = frozenset({"/healthz"})
_here: frozenset[Role] = ALL


def take(roles: frozenset[Role]) -> None:
    """This process does these, from now on."""
    global _here  # noqa: PLW0603 - a process has one set of roles
    _here = roles


def here() -> frozenset[Role]:
    """What this process does."""
    return _here


def answers(path: str, roles: frozenset[Role]) -> bool:
    """Does a process with these roles answer requests for this path?"""
    if path in _EVERYWHERE:
        return True
    return (Role.INGEST if path.startswith(_COLLECTORS) else Role.WEB) in roles
