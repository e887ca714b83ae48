"""Threads that keep their database connections, for what an event loop has done elsewhere.

A connection that failed is closed, and made anew by the next who needs one.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.db import DatabaseError, connection

from cyberalarm.central.ingest.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class KeptThreads:
    """At most `number` threads; who comes when all are at work waits."""

    def __init__(self, number: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(number, name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises what the work raises, and StoreUnavailableError where the database cannot be asked."""

        def guarded() -> T:
            try:
                return work(*args, **kwargs)
            except DatabaseError as error:
                connection.close()
                raise StoreUnavailableError(
                    "The centre's database cannot be asked.", next_step="Send it again in a moment."
                ) from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)
