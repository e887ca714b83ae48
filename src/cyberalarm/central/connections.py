"""Bounds on what strangers' connections may cost before anybody has said who they are.

- A connection that has not sent a whole request head in time is closed.
- One address has so many connections at once, and no more.
- A body must keep coming at a least pace; one that does not ends its request.

What a body may hold is bounded elsewhere (`ingest.bodies`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from asyncio import Transport

# The types of the ASGI specification (asgi.readthedocs.io, version 3.0): messages are open mappings there.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HEAD_SECONDS = 15.0
BODY_SECONDS = 20.0
LEAST_PACE = 16 * 1024  # bytes a second; a 64 MiB envelope may take 70 minutes, a form 20 seconds


def protocol(most_per_address: int) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 protocol with a deadline for the head and a bound on connections per address."""

    class BoundedProtocol(H11Protocol):
        most: ClassVar[int] = most_per_address
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            others = [other.client for other in self.connections if isinstance(other, H11Protocol)]
            if sum(client is not None and client[:1] == (self.client or ())[:1] for client in others) > self.most:
                transport.abort()
                return
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

        def _head_is_late(self) -> None:
            if self.cycle is None:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            super().connection_lost(exc)

    return BoundedProtocol


class TimedBodies:
    """Wraps an ASGI application: a request whose body comes too slowly is answered with 408."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        began, seen, whole, late, started = loop.time(), 0, False, False, False

        async def timed_receive() -> Message:
            nonlocal seen, whole, late
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(began + BODY_SECONDS + seen / LEAST_PACE):
                    message = await receive()
            except TimeoutError:
                late = True
                return {"type": "http.disconnect"}
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        await self._application(scope, timed_receive, watched_send)
        if late and not started:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 408, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
