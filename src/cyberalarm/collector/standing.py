"""How this collector stands with its centre: the signed status, that it is an answer of now, and what it changes in the identity.

Invariants
- A status counts only if it repeats the nonce of the question; one of a centre that knows no nonces, only if it is not older than
  any that was believed before. So an old one, played back, neither undoes a stop nor brings back a key.
- What the centre trusts by (pins, receipt keys) changes by what was signed by a key that is believed already, or follows one.
- That sending is stopped survives a restart.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from cyberalarm import __version__
from cyberalarm.collector.centre import KEY_PATH, STATUS_PATH
from cyberalarm.collector.errors import CentreRefusedError, OtherCertificateError
from cyberalarm.collector.files import write_durably
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.core.versions import older
from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.errors import SignatureRefused
from cyberalarm.envelope.requests import sign_request
from cyberalarm.envelope.rotation import Introduction, KeyChanged
from cyberalarm.envelope.trust import new_nonce

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.centre import Centre
    from cyberalarm.collector.identity import Identity
    from cyberalarm.collector.keyring import Keyring
    from cyberalarm.envelope.requests import InUse
    from cyberalarm.envelope.trust import Trust

log = structlog.get_logger(__name__)

_FILE = "standing.json"
_WRITE_SECONDS = 3600.0  # how old the kept time may be; only centres that know no nonces are judged by it


@dataclass(frozen=True, slots=True)
class _Kept:
    """`time` is of the newest status, ms UTC by the centre's clock."""

    time: int = 0
    stop: bool = False
    minimum_version: str = ""


class Standing:
    """Of one thread. `identity` is what follows from everything that was believed so far; it is saved when it changes."""

    def __init__(self, folder: Path, identity: Identity, keys: Keyring) -> None:
        self._folder = folder
        self._keys = keys
        self._kept = self._read()
        self._written = time.monotonic()
        self.identity = identity
        self.takes_new_keys = False  # the centre, as it said last

    @property
    def held(self) -> bool:
        """Has the centre said that nothing is to be sent, or that this program is too old?"""
        return self._kept.stop or older(__version__, self._kept.minimum_version)

    def ask(self, centre: Centre, in_use: InUse) -> Status:
        """The status of now. Where the centre shows another certificate or key than is known here, ask it to introduce itself
        first.

        Raises CentreUnreachableError, CentreRefusedError (`status-other`, `status-old`), DocumentRefused, SignatureRefused.
        """
        try:
            return self._ask(centre, in_use)
        except (OtherCertificateError, SignatureRefused) as error:
            if not self._introduced(centre):
                raise
            log.info("identity.introduced", after=error.code)
        return self._ask(centre, in_use)

    def _ask(self, centre: Centre, in_use: InUse) -> Status:
        nonce = new_nonce()
        path = f"{STATUS_PATH}?{replace(in_use, nonce=nonce).to_query()}"
        headers = sign_request(self._keys.current, self.identity.collector, "GET", path, b"", _now())
        status = Status.read(centre.status(headers, path), *self.identity.receipt_keys)
        if status.collector != self.identity.collector:
            raise CentreRefusedError("status-other", "The centre's status is for another collector.")
        if (status.trust.nonce != nonce) if status.trust else (status.time < self._kept.time):
            raise CentreRefusedError("status-old", "What came as the centre's status is an old one.")
        self._believe(status)
        return status

    def _believe(self, status: Status) -> None:
        self.takes_new_keys = status.trust is not None
        self._keep(_Kept(status.time, status.stop, status.minimum_version))
        changed = self.identity if status.trust is None else _trusting(self.identity, status.trust)
        self.take_up(replace(changed, analysis_key=next(iter(status.analysis_keys), changed.analysis_key)))

    def _introduced(self, centre: Centre) -> bool:
        """Ask the centre who it is by now; does that change anything? An answer that proves nothing changes nothing."""
        nonce = new_nonce()
        try:
            introduced = Introduction.read(centre.introduction(nonce), nonce, *self.identity.receipt_keys)
        except CyberAlarmError:
            return False
        changed = _trusting(self.identity, introduced.trust)
        if changed == self.identity:
            return False
        self.take_up(changed)
        centre.pins = self.identity.pins
        return True

    def take_up(self, changed: Identity) -> None:
        """Keep an identity that has changed; on a disk that takes nothing all stays as it is, and is tried again."""
        if changed == self.identity:
            return
        try:
            changed.save(self._folder)
        except OSError as error:
            log.warning("identity.unwritten", reason=error.strerror)
            return
        if changed.analysis_key != self.identity.analysis_key:
            log.info("identity.new_analysis_key", key=changed.analysis_key.key_id)
        if (changed.pins, changed.receipt_keys) != (self.identity.pins, self.identity.receipt_keys):
            log.info("identity.new_trust", keys=[key.key_id for key in changed.receipt_keys])
        self.identity = changed

    def _keep(self, kept: _Kept) -> None:
        changed = replace(kept, time=0) != replace(self._kept, time=0)
        due = time.monotonic() - self._written >= _WRITE_SECONDS
        self._kept = kept
        if changed or due:
            content = {"time": kept.time, "stop": kept.stop, "minimum_version": kept.minimum_version}
            with suppress(OSError):  # kept in memory all the same
                write_durably(self._folder / _FILE, json.dumps(content).encode("ascii"))
                self._written = time.monotonic()

    def _read(self) -> _Kept:
        """What a run before left; a damaged file is as good as none, since the next status says it again."""
        try:
            value = json.loads((self._folder / _FILE).read_bytes())
            return _Kept(int(value["time"]), value["stop"] is True, str(value["minimum_version"]))
        except (OSError, ValueError, KeyError, TypeError):
            return _Kept()


def announce(centre: Centre, identity: Identity, keys: Keyring) -> None:
    """Make a new signing key known to the centre, and use it from then on. May be repeated until it has worked.

    Raises CentreUnreachableError, CentreRefusedError, DocumentRefused, SignatureRefused, OSError.
    """
    change = keys.announcement(identity.collector)
    if change is None:
        return
    body = change.to_bytes()
    headers = sign_request(keys.current, identity.collector, "POST", KEY_PATH, body, _now())
    said = KeyChanged.read(centre.change_key(body, headers), *identity.receipt_keys)
    if (said.collector, said.public_key, said.first) != (identity.collector, change.public_key, change.first):
        raise CentreRefusedError("key-change-other", "The centre's answer is about another key.")
    keys.confirmed()
    log.info("identity.new_signing_key")


def forget(folder: Path) -> None:
    """Enrolling begins anew: what another centre said no longer counts. Raises OSError."""
    (folder / _FILE).unlink(missing_ok=True)


def _trusting(identity: Identity, trust: Trust) -> Identity:
    receipt_key, *next_keys = trust.receipt_keys
    changed = replace(identity, receipt_key=receipt_key, next_receipt_keys=tuple(next_keys))
    if not identity.pin:
        return changed  # trusted by public certificates
    pin, *next_pins = trust.pins
    return replace(changed, pin=pin, next_pins=tuple(next_pins))


def _now() -> int:
    return int(time.time() * 1000)
