"""Shipping: the oldest bundle first, lease → send → receipt → delete, with retries that back off.

Invariants
- A bundle leaves the spool only when its receipt verifies: signed by the centre's key, for this envelope, collector and sequence.
- A change of this collector's key is made known before anything else is sent; bundles of before it carry the new key's voucher.
- Whatever goes wrong is in `progress`, in words for a person, until a bundle is receipted; the thread never ends by itself.
- Sealed bundles cannot be sealed again here (only the centre opens them), so one that the centre refuses stays, and those behind it
  wait: dropping one would break the chain for all. One that the centre puts aside, as its receipt says, is in its hands and leaves.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.errors import (
    CentreRefusedError,
    CentreUnreachableError,
    ReceiptRefusedError,
    SpoolFullError,
)
from cyberalarm.collector.standing import announce
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope.receipts import read

if TYPE_CHECKING:
    from threading import RLock

    from cyberalarm.collector.centre import Centre
    from cyberalarm.collector.identity import Identity
    from cyberalarm.collector.keyring import Keyring
    from cyberalarm.collector.spool import Link, Spool

log = structlog.get_logger(__name__)

_FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0
REFUSED_WAIT = 600.0  # a refusal rarely changes by itself; ask again all the same
_NEVER = float("inf")

_BROKEN_CHAIN = (
    "All bundles are kept, but this collector's chain and the centre's do not fit any more, as after restoring a backup.",
    "Ask for a new token, then: cyberalarm collector enrol TOKEN --set-aside",
)
_NEW_TOKEN = "Ask for a new token on the collector's page, and enrol again."  # noqa: S105 - words, not a secret
_ASK = "All bundles are kept. Ask your contact, and give the code."
# What a person reads for a refusal's code (docs/collector-api.md), instead of the centre's own words, and what to do.
_IN_WORDS = dict.fromkeys(("chain-gap", "chain-forked", "envelope-replayed"), _BROKEN_CHAIN) | {
    "collector-revoked": ("The centre has withdrawn this collector. Nothing more is sent.", "Ask your contact."),
    "collector-unknown": ("The centre does not know this collector.", _NEW_TOKEN),
    "collector-stopped": ("The centre asked this collector to pause.", "All bundles are kept. Ask your contact."),
    "envelope-signature": ("The centre does not accept this collector's signature.", _NEW_TOKEN),
    "request-signature": ("The centre does not accept this collector's signature.", _NEW_TOKEN),
    "request-time": ("This machine's clock and the centre's differ by more than five minutes.", "Set the clock."),
    "key-change-refused": ("The centre does not accept this collector's new key.", _NEW_TOKEN),
}


@dataclass(slots=True)
class Progress:
    """How shipping goes; read by `doctor`."""

    sent: int = 0
    rows: int = 0
    put_aside: int = 0  # of those sent, by the centre, since the start
    put_aside_code: str = ""  # why the newest of them was
    last_receipt: float = 0.0
    trouble_code: str = ""
    trouble: str = ""
    trouble_since: float = 0.0

    def well(self, rows: int) -> None:
        if self.trouble_code:
            log.info("ship.recovered", code=self.trouble_code)
        self.sent += 1
        self.rows += rows
        self.last_receipt = time.time()
        self.trouble_code = self.trouble = ""
        self.trouble_since = 0.0

    def unwell(self, error: CyberAlarmError) -> None:
        if self.trouble_code != error.code:
            log.warning("ship.trouble", code=error.code)
        self.trouble_code, self.trouble = error.code, _in_words(error)
        self.trouble_since = self.trouble_since or time.time()


class Shipper:
    """Sends what the spool holds. `step` does one attempt; `start` runs it in a thread until stopped."""

    def __init__(
        self, centre: Centre, identity: Identity, spool: Spool, lock: RLock, keys: Keyring | None = None
    ) -> None:
        """`lock` guards the spool, which the pipeline writes to. Without `keys` no change of this collector's key is made known."""
        self._centre = centre
        self._identity = identity
        self._keys = keys
        self._spool = spool
        self._lock = lock
        self._wait = _FIRST_WAIT
        self._stop = Event()
        self.wake = Event()
        self.hold = False  # the centre's stop switch
        self.progress = Progress()
        self._thread = Thread(target=self._run, name="ship", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def stuck(self) -> bool:
        """Is there trouble that waiting does not cure?"""
        return self.progress.trouble_code not in {"", "busy", "store-unavailable", CentreUnreachableError.code}

    def stop(self, timeout: float) -> None:
        """End the thread; what is not sent stays in the spool."""
        self._stop.set()
        self.wake.set()
        self._thread.join(timeout)

    def take_up(self, identity: Identity) -> None:
        """Know the centre by another certificate or key from the next bundle on. From any thread."""
        self._identity = identity
        self._centre.pins = identity.pins

    def step(self) -> float | None:
        """Send the oldest bundle. Gives how long to wait (seconds) before the next attempt, None when nothing is to be sent."""
        try:
            if self._keys is not None and self._keys.pending:
                announce(self._centre, self._identity, self._keys)
            if self.hold:
                return None
            with self._lock:
                found = self._spool.next()
            if found is None:
                self._tidy()
                return None
            rows = self._send(*found)
        except CentreUnreachableError as error:
            self.progress.unwell(error)
            return self._back_off(error.wait)
        except CentreRefusedError as error:
            self.progress.unwell(error)
            return _NEVER if error.code == "collector-revoked" else REFUSED_WAIT
        except CyberAlarmError as error:
            # A receipt that does not verify is no receipt, and a damaged file is not sent: keep the bundle.
            self.progress.unwell(error)
            return self._back_off(None)
        except OSError as error:
            self.progress.unwell(
                SpoolFullError(f"The spool cannot be written: {error.strerror}.", code="spool-unwritable")
            )
            return self._back_off(None)
        self.progress.well(rows)
        self._wait = _FIRST_WAIT
        return 0.0

    def _tidy(self) -> None:
        """Nothing waits, so nothing of before a change of the key does."""
        if self._keys is not None:
            self._keys.forget(self._spool.done)

    def _send(self, link: Link, envelope: bytes) -> int:
        voucher = self._keys.voucher(link) if self._keys is not None else ""
        identity = self._identity
        receipt = read(self._centre.envelope(envelope, voucher), *identity.receipt_keys)
        named = (receipt.envelope, receipt.collector, receipt.sequence)
        if named != (link.digest, identity.collector, link.sequence):
            raise ReceiptRefusedError("The centre's receipt is for another envelope.")
        if receipt.quarantined:
            log.warning("ship.put_aside", code=receipt.quarantined)
            self.progress.put_aside += 1
            self.progress.put_aside_code = receipt.quarantined
        with self._lock:
            self._spool.receipted(link)
        return receipt.rows

    def _back_off(self, asked: float | None) -> float:
        """Double the wait up to a bound, with jitter, so that collectors do not all come back at once."""
        wait = self._wait
        self._wait = min(wait * 2, LONGEST_WAIT)
        return max(min(asked or 0.0, LONGEST_WAIT), wait * random.uniform(0.7, 1.3))  # noqa: S311

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                wait = self.step()
            except Exception as error:
                # A defect; but a sender that stands still unseen is the worst that can happen, so say it and go on.
                log.exception("ship.failed")
                self.progress.unwell(CyberAlarmError(f"Sending failed: {type(error).__name__}.", code="ship-failed"))
                wait = LONGEST_WAIT
            if wait == 0.0:
                continue
            self._centre.rest()
            if wait is None:
                self.wake.wait(1.0)
                self.wake.clear()
            else:
                self._stop.wait(None if wait == _NEVER else wait)


def _in_words(error: CyberAlarmError) -> str:
    if not isinstance(error, CentreRefusedError):
        return str(error)
    words, step = _IN_WORDS.get(error.code, (f"The centre refuses a bundle: {error.what}", _ASK))
    return f"{words} {step}"
