"""An ASGI wrapper that bounds request bodies before the framework reads them.

Django's ASGI handler stores a whole body before any view runs, so what bounds it has to stand in front of it.

- A longer body than its address takes is answered with 413 as soon as its length is announced or its bytes exceed the
  bound, and the rest is never read.
- Of an envelope no more is read than its header, until that says that it comes from a collector that may send, and
  announces a length that an envelope can have. What the header says is a claim: the signature is checked by
  `services`, and so is everything else.
- What follows a refused header is thrown away as it comes, within bounds, so that a sender that writes all before it
  reads gets the answer and not a cut connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from cyberalarm.central.enrolment.problems import refusal
from cyberalarm.central.enrolment.services import speaking_collector
from cyberalarm.central.ingest.refusals import noted
from cyberalarm.central.ingest.services import refuse_stopped
from cyberalarm.central.ingest.threads import KeptThreads
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import sealing
from cyberalarm.envelope.sealing import MAX_ENVELOPE, Header

# The types of the ASGI specification (asgi.readthedocs.io, version 3.0): messages are open mappings there.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

ENVELOPES = "/api/collector/v1/envelopes"
ELSEWHERE = 2 * 1024 * 1024  # forms and small documents
# What is thrown away at most behind a refused header: several times what a collector seals into one envelope. A body
# that announces more is not waited for.
LINGER = 16 * 1024 * 1024
_THREADS = 4
_LINGER_SECONDS = 60.0  # in all, and
_SILENCE_SECONDS = 2.0  # between two pieces


class _TooLong(Exception):  # noqa: N818 - a signal inside this module only
    pass


class _Gone(Exception):  # noqa: N818 - a signal inside this module only
    """The sender went away."""


class BoundedBodies:
    """Wraps an ASGI application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._threads = KeptThreads(_THREADS, "may-send")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        envelope = scope["path"] == ENVELOPES
        most = MAX_ENVELOPE if envelope else ELSEWHERE
        announced = _announced(scope)
        if announced is not None and announced > most:
            await _refuse(send, _too_long(most))
        elif envelope and scope["method"] == "POST":
            await self._take_envelope(scope, _Beginning(receive, announced), send)
        else:
            await self._run(scope, receive, send, most)

    async def _take_envelope(self, scope: Message, beginning: _Beginning, send: Send) -> None:
        try:
            header = await beginning.header()
            await self._threads.run(_may_send, header.collector)
        except _Gone:
            return
        except CyberAlarmError as error:
            await _refuse(send, error, beginning.throw_away)
        else:
            await self._run(scope, beginning.receive, send, MAX_ENVELOPE)

    async def _run(self, scope: Message, receive: Receive, send: Send, most: int) -> None:
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
                await _refuse(send, _too_long(most))


class _Beginning:
    """The first bytes of an envelope's body, and where the others come from."""

    def __init__(self, receive: Receive, announced: int | None) -> None:
        self._receive = receive
        self._announced = announced
        self._begun = bytearray()
        self._more = True
        self._handed_on = False

    async def header(self) -> Header:
        """Read as far as the header's end. Raises an EnvelopeRefused, also for an announced length that cannot be."""
        while self._more and len(self._begun) < sealing.header_end(self._begun):
            message = await self._receive()
            if message["type"] != "http.request":
                raise _Gone
            self._begun += message.get("body", b"")
            self._more = message.get("more_body", False)
        header = sealing.peek_header(self._begun)
        if self._announced is not None:
            sealing.check_length(self._begun, self._announced)
        return header

    async def receive(self) -> Message:
        """The whole body, message by message, as if nothing had been read."""
        if self._handed_on:
            return await self._receive()
        self._handed_on = True
        return {"type": "http.request", "body": bytes(self._begun), "more_body": self._more}

    async def throw_away(self) -> None:
        """Read what still comes and keep none of it. Nothing at all where too much is announced."""
        if self._announced is not None and self._announced > LINGER:
            return
        seen = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while self._more and seen <= LINGER:
                    async with asyncio.timeout(_SILENCE_SECONDS):
                        message = await self._receive()
                    seen += len(message.get("body", b""))
                    self._more = message.get("more_body", False)


def _may_send(reference: str) -> None:
    """Raises CollectorUnknownError, CollectorRevokedError or CollectorStoppedError."""
    with noted(reference):
        refuse_stopped(speaking_collector(reference))


def _announced(scope: Message) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


def _too_long(most: int) -> CyberAlarmError:
    return CyberAlarmError(f"A body may have {most} bytes here.", code="body-too-large")


async def _refuse(send: Send, error: CyberAlarmError, before_end: Callable[[], Awaitable[None]] | None = None) -> None:
    """Answer with a problem document; the connection ends with it, after `before_end`."""
    answer = refusal(error)
    headers = [
        (b"content-type", answer["Content-Type"].encode()),
        (b"content-length", str(len(answer.content)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content, "more_body": before_end is not None})
    if before_end is not None:
        await before_end()
        await send({"type": "http.response.body", "body": b""})
