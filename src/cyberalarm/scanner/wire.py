"""The only door to the network: bounded connections to one checked address.

Invariants: a `Dialler` reaches exactly the address and ports it was made for; it asks `allowed` before
every connection, keeps the pace, and counts each one. Every read has a cap in bytes and a deadline.
Nothing here resolves a name. Replies are raw bytes; reading sense into them is others' work.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm.core.errors import RefusedError
from cyberalarm.scanner.errors import AuthorityError, ProbeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cyberalarm.core.addresses import Address

# What a small firewall bears without noticing: 20 new connections a second, 10 at once.
DEFAULT_RATE = 20.0
DEFAULT_AT_ONCE = 10
CONNECT_SECONDS = 4.0
READ_SECONDS = 6.0
MOST_BYTES = 256 * 1024
_CHUNK = 16 * 1024


class PortClosedError(ProbeError):
    """The host answered that nothing listens there."""

    code = "scanner.probe.closed"


class PortSilentError(ProbeError):
    """No answer at all: dropped by a firewall, or the host is gone."""

    code = "scanner.probe.silent"


class UnwelcomeError(RefusedError):
    """The target asked again and again to be left alone: stop asking it."""

    code = "scanner.probe.unwelcome"


@dataclass(slots=True)
class Pace:
    """How fast one target may be asked.

    `slow_down` halves the rate, and gives up at the third time in a row.
    """

    rate: float = DEFAULT_RATE
    at_once: int = DEFAULT_AT_ONCE
    _next: float = 0.0
    _complaints: int = 0
    _gate: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._gate = asyncio.Semaphore(self.at_once)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._gate:
            now = asyncio.get_running_loop().time()
            start = max(now, self._next)
            self._next = start + 1 / self.rate
            if start > now:
                await asyncio.sleep(start - now)
            yield

    def slow_down(self) -> None:
        """The target said that it is too much (429, 503). Raises UnwelcomeError at the third time running."""
        self.rate /= 2
        self._complaints += 1
        if self._complaints >= 3:
            raise UnwelcomeError(
                "The target asked three times to be left alone.", next_step="Scan it at a quieter hour."
            )

    def fine(self) -> None:
        self._complaints = 0


@dataclass(slots=True)
class Line:
    """One open connection. Reads stop at their cap or deadline, whatever the other side does."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        try:
            self.writer.write(data)
            async with asyncio.timeout(READ_SECONDS):
                await self.writer.drain()
        except (OSError, TimeoutError) as error:
            raise ProbeError("The connection broke off.") from error

    async def read(
        self, most: int, seconds: float = READ_SECONDS, enough: Callable[[bytes], bool] | None = None
    ) -> bytes:
        """At most `most` bytes, until the other side ends, the deadline passes, or `enough` is content."""
        got = bytearray()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                while len(got) < most:
                    chunk = await self.reader.read(min(_CHUNK, most - len(got)))
                    if not chunk:
                        break
                    got += chunk
                    if enough is not None and enough(bytes(got)):
                        break
        return bytes(got)


@dataclass(slots=True)
class Dialler:
    """Connects to one address on the permitted ports."""

    address: Address
    ports: frozenset[int]
    allowed: Callable[[], None]
    pace: Pace
    connections: int = 0
    source: str = ""

    @contextlib.asynccontextmanager
    async def open(self, port: int, tls: ssl.SSLContext | None = None, server_name: str = "") -> AsyncIterator[Line]:
        """One connection.

        Raises AuthorityError for a port that is not permitted, ProbeError when it fails.
        """
        if port not in self.ports:
            raise AuthorityError(f"Port {port} is not in the consent.", code="scanner.authority.port")
        async with self.pace.turn():
            self.allowed()
            self.connections += 1
            reader, writer = await self._connect(port, tls, server_name)
            try:
                sock = writer.get_extra_info("sockname")
                self.source = self.source or (str(sock[0]) if sock else "")
                yield Line(reader, writer)
            finally:
                writer.transport.abort()

    async def _connect(
        self, port: int, tls: ssl.SSLContext | None, server_name: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    str(self.address),
                    port,
                    ssl=tls,
                    server_hostname=server_name if tls else None,
                    limit=_CHUNK * 2,
                )
        except TimeoutError as error:
            raise PortSilentError("No answer in time.") from error
        except ConnectionRefusedError as error:
            raise PortClosedError("Nothing listens there.") from error
        except ssl.SSLError as error:
            raise ProbeError("The encrypted connection could not be made.", code="scanner.probe.tls") from error
        except OSError as error:
            raise PortSilentError("The host cannot be reached.") from error
