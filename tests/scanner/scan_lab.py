"""What the scanner's tests share: consents for loopback, and sockets that count who knocks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

from cyberalarm.scanner.consent import Consent, ConsentedTarget, Tier
from cyberalarm.scanner.networks import Lab
from cyberalarm.scanner.scan import Options

NOW = datetime.now(UTC)
MEMBER = "m-lab"
BOTH = (Tier.WEB, Tier.SERVICES)


def consent_for(*targets: ConsentedTarget, **changes: object) -> Consent:
    fields: dict[str, object] = {
        "member": MEMBER,
        "member_name": "Example Trust",
        "accepted_by": "A. Head",
        "role": "Head teacher",
        "accepted": NOW - timedelta(days=1),
        "expires": NOW + timedelta(days=30),
        "tiers": BOTH,
        "targets": targets,
    }
    return Consent.model_validate(fields | changes)


def lab_options(**changes: object) -> Options:
    return Options(**({"lab": Lab.of(["127.0.0.1"]), "rate": 500.0} | changes))  # type: ignore[arg-type]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Counting:
    """A server on loopback that counts connections and then does as it is told."""

    def __init__(self, talk: Talk) -> None:
        self.connections = 0
        self.port = 0
        self._talk = talk

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            # Cancelled at the end of the test, which asyncio 3.11 would log as an error.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._talk(reader, writer)
        finally:
            writer.close()


@contextlib.contextmanager
def listening(*talks: Talk) -> Iterator[list[Counting]]:
    """Run one counting server per behaviour in a thread of its own."""
    loop = asyncio.new_event_loop()
    found = [Counting(talk) for talk in talks]

    async def start() -> list[asyncio.Server]:
        servers = []
        for one in found:
            server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
            one.port = server.sockets[0].getsockname()[1]
            servers.append(server)
        return servers

    async def stop(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    servers = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(stop(servers), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


def says(raw: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        await reader.read(4096)

    return talk


def answers(raw: bytes) -> Talk:
    """Waits for a request, then answers."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(4096):
            writer.write(raw)
            await writer.drain()

    return talk


def http(body: str, *headers: str, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *headers,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()
