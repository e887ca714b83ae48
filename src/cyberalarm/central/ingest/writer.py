"""Group commit: what waits is stored together, by two threads in turn, so that one inserts while the other waits for disks.

For each group, in this order: 1. `groups.record` writes down what is about to be stored 2. one insert of all rows into the event
store, under the group's token 3. `groups.finish`: receipts, chain heads, totals, what devices said

Invariants:
- a receipt is handed out only after step 3, so what it names is durable
- a crash or an error between the steps leaves a group that `completing` completes, here or in another process: nothing is lost,
  nothing is stored twice, in the rows or in what is added up of them
- an envelope that the engine may have refused is stored alone
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import structlog
from django.db import close_old_connections, connection

from cyberalarm.central.ingest import figures, groups, quiet
from cyberalarm.central.ingest.errors import BusyError, StoreUnavailableError

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.bundles import Bundle
    from cyberalarm.central.ingest.completing import Completer

log = structlog.get_logger(__name__)

MOST_WAITING = 256  # bundles in the queue; more are answered with 503
WRITERS = 2  # groups in hand at once
MOST_ROWS_AT_ONCE = 1_000_000  # in one insert, beyond which a larger one is no faster

AfterStep = Callable[[str], None]


def nothing(_step: str) -> None:
    """The default for `after_step`."""


class Writer:
    """The threads and their queue. `after_step` is told each step's name once it is done; tests use it."""

    def __init__(self, store: EventStore, completer: Completer, after_step: AfterStep = nothing) -> None:
        self._store = store
        self._completer = completer
        self._after_step = after_step
        self._waiting: queue.Queue[Bundle | None] = queue.Queue(MOST_WAITING)
        self.unclean = False  # a group failed and waits to be completed
        self._threads = [
            threading.Thread(target=self._run, name=f"ingest-writer-{at}", daemon=True) for at in range(WRITERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle; its `receipt` will be set. Raises BusyError when the queue is full."""
        try:
            self._waiting.put_nowait(bundle)
        except queue.Full:
            raise BusyError("The centre is busy.", next_step="Send the envelope again in a moment.") from None
        figures.WAITING.set(self._waiting.qsize())

    def _run(self) -> None:
        ended = False
        while not ended:
            taken, ended = self._take()
            figures.WAITING.set(self._waiting.qsize())
            for group in self._apart(taken):
                close_old_connections()
                self._store_group(group)
        connection.close()

    def _take(self) -> tuple[list[Bundle], bool]:
        """All bundles that wait, up to the most rows at once; and whether to end after them."""
        group: list[Bundle] = []
        rows = 0
        first = self._waiting.get()
        while first is not None:
            group.append(first)
            rows += first.events.num_rows
            if rows >= MOST_ROWS_AT_ONCE:
                return group, False
            try:
                first = self._waiting.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _apart(self, taken: Sequence[Bundle]) -> list[list[Bundle]]:
        """Together what may be stored together; each alone that the engine may refuse."""
        alone = [b for b in taken if b.released or self._completer.suspected(b.digest)]
        apart = {id(b) for b in alone}
        together = [b for b in taken if id(b) not in apart]
        return [group for group in (together, *([b] for b in alone)) if group]

    def _store_group(self, group: Sequence[Bundle]) -> None:
        began = time.monotonic()
        token = str(uuid4())
        try:
            if self.unclean:
                self._completer.complete_own()
                self.unclean = False
            self._completer.active.add(token)
            with quiet.storing():
                stored = self._commit(group, token)
        except Exception as error:
            self.unclean = True
            figures.FAILED_GROUPS.inc()
            log.exception("ingest.store_failed", envelopes=len(group))
            for bundle in group:
                if not bundle.receipt.done():
                    bundle.receipt.set_exception(_unavailable(error))
            return
        finally:
            self._completer.active.discard(token)
        took = round((time.monotonic() - began) * 1000)
        rows = sum(b.events.num_rows for b in stored)
        log.info("ingest.stored", envelopes=len(stored), rows=rows, milliseconds=took)

    def _commit(self, group: Sequence[Bundle], token: str) -> list[Bundle]:
        now, began = datetime.now(UTC), time.monotonic()
        with figures.seconds("record"):
            done = groups.record(group, token, self._completer.owner, now)
        for bundle, answer in done.answered:
            if isinstance(answer, bytes):
                bundle.receipt.set_result(answer)
            else:
                bundle.receipt.set_exception(answer)
        accepted = done.accepted
        if not accepted:
            return []
        self._after_step("recorded")
        if time.monotonic() - began > groups.LEASE.total_seconds() / 2:
            raise StoreUnavailableError("The group's lease may end before it is stored.")
        with figures.seconds("insert"):
            self._store.insert(pa.concat_tables([b.rows(now) for b in accepted]), token=token)
        self._after_step("inserted")
        with figures.seconds("finish"):
            issued = groups.finish(token, accepted, now, self._completer.keys.receipts)
        self._after_step("finished")
        for bundle, receipt in zip(accepted, issued, strict=True):
            bundle.receipt.set_result(receipt)
        rows = sum(b.events.num_rows for b in accepted)
        figures.ENVELOPES.labels("stored").inc(len(accepted))
        figures.ROWS.inc(rows)
        figures.GROUP.observe(rows)
        return accepted


def _unavailable(error: Exception) -> StoreUnavailableError:
    unavailable = StoreUnavailableError(
        "The centre could not store the envelope.", next_step="Send it again in a moment."
    )
    unavailable.__cause__ = error
    return unavailable
