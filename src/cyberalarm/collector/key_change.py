"""When this collector's signing key is replaced: on request, or once it is old. `keyring` says how.

A request is an empty file in the data folder, so that the command reaches a collector that runs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.errors import CentreRefusedError
from cyberalarm.collector.files import is_held, only_one
from cyberalarm.collector.keyring import Keyring
from cyberalarm.collector.spool import Spool
from cyberalarm.collector.standing import Standing, announce
from cyberalarm.envelope.requests import InUse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig

_REQUEST = "change-key"


def wanted(config: CollectorConfig, keys: Keyring) -> bool:
    """Is it time for another key?"""
    days = config.signing_key_days
    return _request(config).exists() or (days > 0 and keys.age_days(time.time()) >= days)


def begun(config: CollectorConfig) -> None:
    """The request, if there was one, is fulfilled. Raises OSError."""
    _request(config).unlink(missing_ok=True)


def rotate(config: CollectorConfig, program: str, patience: float, wait: Callable[[float], None] = time.sleep) -> bool:
    """Replace the signing key, by the collector that runs or, where none does, by this process. True when the centre has
    confirmed it; False when a running collector still tries, after `patience` seconds.

    Raises NotEnrolledError, CentreUnreachableError, CentreRefusedError (`key-change-unknown` from a centre that is too old, and
    others). After any of them the collector goes on as before, or takes the change up where it ended.
    """
    before = identities.signing_key(config.data).public
    if not is_held(config.data):
        _rotate_here(config, program)
        return True
    _request(config).touch(mode=0o600)
    until = time.monotonic() + patience
    while identities.signing_key(config.data).public == before:
        if time.monotonic() >= until:
            return False
        wait(0.5)
    return True


def _rotate_here(config: CollectorConfig, program: str) -> None:
    with only_one(config.data):
        identity, keys = identities.load(config.data), Keyring(config.data)
        centre = Centre(identity.centre, identity.pin, config.proxy, identity.next_pins)
        standing = Standing(config.data, identity, keys)
        if not keys.pending:
            standing.ask(centre, InUse(program, 0))
            if not standing.takes_new_keys:
                raise CentreRefusedError("key-change-unknown", "This centre does not take new keys yet.")
            keys.begin(Spool(config.data / "spool", config.spool_bytes).head)
        centre.pins = standing.identity.pins
        announce(centre, standing.identity, keys)
        begun(config)


def _request(config: CollectorConfig) -> Path:
    return config.data / _REQUEST
