"""Envelopes' own way in: an ASGI wrapper that answers them before the framework of forms and pages has any part in it.

Ten thousand collectors send a small bundle a minute each, most of them on a connection of its own. What a page needs for each
request, a thread and a database connection made for it and a dozen layers around it, costs several times what opening and storing
such a bundle does. So here:

- threads and their database connections are kept, `THREADS` of them; who comes when all are at work waits, and is not sent away
- of one collector, by the reference that it claims, `OF_ONE` requests have a thread at once; the others wait for these
- a body lies on the disk beyond `IN_MEMORY`, until it is whole and there is room for it

What is answered is what `views.envelopes` answers. Everything but a POST of an envelope goes on to the application behind.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host

from cyberalarm.central.enrolment.problems import PROBLEMS, refusal
from cyberalarm.central.ingest import services
from cyberalarm.central.ingest.bodies import ENVELOPES, Application, Message, Receive, Send
from cyberalarm.central.ingest.threads import KeptThreads
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import sealing
from cyberalarm.envelope.receipts import READS_HEADER, READS_QUARANTINED
from cyberalarm.envelope.rotation import VOUCHER_HEADER
from cyberalarm.envelope.sealing import MAX_ENVELOPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger(__name__)

THREADS = 96  # most of them wait for a group commit at any time
OF_ONE = 2
IN_MEMORY = 256 * 1024  # bytes of a body


class EnvelopeFront:
    """Wraps an ASGI application; put it inside of `BoundedBodies`, which bounds bodies and knows who may send."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._threads = KeptThreads(THREADS, "ingest")
        self._lines: dict[str, tuple[asyncio.Semaphore, int]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["path"] != ENVELOPES
            or not _asked_of_us(scope)
        ):
            await self._application(scope, receive, send)
            return
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
            size = 0
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return
                body.write(piece := message.get("body", b""))
                size += len(piece)
                if not message.get("more_body", False):
                    break
            body.seek(0)
            status, headers, content = await self._answer(
                body, size, _header(scope, VOUCHER_HEADER), _header(scope, READS_HEADER)
            )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, body: tempfile.SpooledTemporaryFile[bytes], size: int, voucher: str, reads: str
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        claimed = body.read(sealing.HEADER_WITHIN)
        body.seek(0)
        async with self._line(claimed):
            try:
                answer = HttpResponse(
                    await self._threads.run(_receive, body, size, voucher, reads), content_type="application/json"
                )
            except CyberAlarmError as error:
                if error.code not in PROBLEMS:
                    raise
                answer = refusal(error)
        answer["Cache-Control"] = "no-store"
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Content-Length"] = str(len(answer.content))
        headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in answer.items()]
        return answer.status_code, headers, answer.content

    @asynccontextmanager
    async def _line(self, beginning: bytes) -> AsyncIterator[None]:
        """Wait behind other requests of the same collector; what cannot be read waits in a line for all such."""
        try:
            claimed = sealing.peek_header(beginning).collector
        except CyberAlarmError:
            claimed = ""
        line, there = self._lines.get(claimed, (asyncio.Semaphore(OF_ONE), 0))
        self._lines[claimed] = (line, there + 1)
        try:
            async with line:
                yield
        finally:
            line, there = self._lines[claimed]
            if there == 1:
                del self._lines[claimed]
            else:
                self._lines[claimed] = (line, there - 1)


def _receive(body: tempfile.SpooledTemporaryFile[bytes], size: int, voucher: str, reads: str) -> bytes:
    ingest = services.current()
    with ingest.room(size):
        return ingest.receive(body.read(MAX_ENVELOPE + 1), voucher, reads_words=reads == READS_QUARANTINED)


def _header(scope: Message, name: str) -> str:
    wanted = name.lower().encode("ascii")
    return next((bytes(value).decode("latin-1") for key, value in scope["headers"] if key == wanted), "")


def _asked_of_us(scope: Message) -> bool:
    """Does the request name a host that is ours? Others get the framework's refusal."""
    domain, _ = split_domain_port(_header(scope, "host"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
