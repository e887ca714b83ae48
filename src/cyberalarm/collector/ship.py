"""Shipping: the oldest bundle first, lease → send → receipt → delete, with retries that back off.

A bundle leaves the spool only when its receipt verifies: signed by the centre's key, for this envelope, collector and sequence.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.errors import CentreRefusedError, CentreUnreachableError, SpoolDamagedError
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope.receipts import read

if TYPE_CHECKING:
    from cyberalarm.collector.centre import Centre
    from cyberalarm.collector.identity import Identity
    from cyberalarm.collector.spool import Link, Spool

log = structlog.get_logger(__name__)

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_REFUSED_WAIT = 600.0  # a refusal rarely changes by itself; ask again all the same


@dataclass(slots=True)
class Progress:
    """How shipping goes; read by `doctor`."""

    sent: int = 0
    rows: int = 0
    last_receipt: float = 0.0
    trouble_code: str = ""
    trouble: str = ""
    trouble_since: float = 0.0

    def well(self, rows: int) -> None:
        self.sent += 1
        self.rows += rows
        self.last_receipt = time.time()
        self.trouble_code = self.trouble = ""
        self.trouble_since = 0.0

    def unwell(self, error: CyberAlarmError) -> None:
        self.trouble_code, self.trouble = error.code, str(error)
        self.trouble_since = self.trouble_since or time.time()


class Shipper:
    """Sends what the spool holds. `step` does one attempt; `start` runs it in a thread until stopped."""

    def __init__(self, centre: Centre, identity: Identity, spool: Spool, lock: RLock) -> None:
        """`lock` guards the spool, which the pipeline writes to."""
        self._centre = centre
        self._identity = identity
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

    def stop(self, timeout: float) -> None:
        """End the thread; what is not sent stays in the spool."""
        self._stop.set()
        self.wake.set()
        self._thread.join(timeout)

    def step(self) -> float | None:
        """Send the oldest bundle. Gives how long to wait (seconds) before the next attempt, None when nothing waits."""
        with self._lock:
            found = self._spool.next()
        if found is None or self.hold:
            return None
        link, envelope = found
        try:
            rows = self._send(link, envelope)
        except CentreUnreachableError as error:
            self.progress.unwell(error)
            return self._back_off(error.wait)
        except CentreRefusedError as error:
            self.progress.unwell(error)
            log.warning("ship.refused", code=error.code, sequence=link.sequence)
            return _REFUSED_WAIT
        except CyberAlarmError as error:
            # A receipt that does not verify is no receipt: keep the bundle.
            self.progress.unwell(error)
            log.warning("ship.receipt_refused", code=error.code, sequence=link.sequence)
            return self._back_off(None)
        self.progress.well(rows)
        self._wait = _FIRST_WAIT
        return 0.0

    def _send(self, link: Link, envelope: bytes) -> int:
        receipt = read(self._centre.envelope(envelope), self._identity.receipt_key)
        named = (receipt.envelope, receipt.collector, receipt.sequence)
        if named != (link.digest, self._identity.collector, link.sequence):
            raise SpoolDamagedError("The centre's receipt is for another envelope.", code="receipt-other")
        with self._lock:
            self._spool.receipted(link)
        return receipt.rows

    def _back_off(self, asked: float | None) -> float:
        """Double the wait up to a bound, with jitter, so that collectors do not all come back at once."""
        wait = min(self._wait, _LONGEST_WAIT)
        self._wait = min(wait * 2, _LONGEST_WAIT)
        return max(asked or 0.0, wait * random.uniform(0.7, 1.3))  # noqa: S311

    def _run(self) -> None:
        while not self._stop.is_set():
            wait = self.step()
            if wait == 0.0:
                continue
            self.wake.clear()
            if wait is None:
                self.wake.wait(1.0)
            else:
                self._stop.wait(wait)
