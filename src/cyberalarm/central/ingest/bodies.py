"""An ASGI wrapper that bounds request bodies before the framework reads them.

Django's ASGI handler stores a whole body before any view runs, so the bound has to stand in front of it. A
longer body is answered with 413 as soon as its length is announced or its bytes exceed the bound, and the
rest is never read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from cyberalarm.central.enrolment.problems import CONTENT_TYPE, REFUSED, problem_body
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope.sealing import MAX_ENVELOPE

# The types of the ASGI specification (asgi.readthedocs.io, version 3.0): messages are open mappings there.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

ENVELOPES = "/api/collector/v1/envelopes"
ELSEWHERE = 2 * 1024 * 1024  # forms and small documents


class _TooLong(Exception):  # noqa: N818 - a signal inside this module only
    pass


class BoundedBodies:
    """Wraps an ASGI application."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        most = MAX_ENVELOPE if scope["path"] == ENVELOPES else ELSEWHERE
        if _announced(scope) > most:
            await _refuse(send, most)
            return
        seen, started = 0, False

        async def bounded_receive() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise _TooLong
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._application(scope, bounded_receive, watched_send)
        except _TooLong:
            if not started:
                await _refuse(send, most)


def _announced(scope: Message) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


async def _refuse(send: Send, most: int) -> None:
    error = CyberAlarmError(f"A body may have {most} bytes here.", code="body-too-large")
    status, body = problem_body(error)
    REFUSED.labels(error.code).inc()
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
