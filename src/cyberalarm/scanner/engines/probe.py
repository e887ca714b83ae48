"""One port, asked politely: wait for a greeting, then an HTTP request, then TLS, then a PING. First sense
wins.

Never sends a password, a form, or a malformed request. What a port says is returned as observations; what
it is, is decided elsewhere. A port that cannot be understood is reported as such.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.rdataclass
import dns.rdatatype

from cyberalarm.scanner.consent import Tier
from cyberalarm.scanner.engines.banner import MOST_BYTES, WAIT_SECONDS, complete, read_banner
from cyberalarm.scanner.engines.http import HttpReply, get, heed, parse_reply, reply_complete, request
from cyberalarm.scanner.engines.tls import TlsFacts, probe_tls, unverified_context
from cyberalarm.scanner.errors import ProbeError
from cyberalarm.scanner.evidence import trimmed
from cyberalarm.scanner.identity import Observation
from cyberalarm.scanner.wire import MOST_BYTES as MOST_REPLY
from cyberalarm.scanner.wire import Dialler, PortClosedError, PortSilentError

# Ports where encryption starts at once; elsewhere plain HTTP is tried first.
TLS_PORTS = frozenset({443, 465, 636, 990, 993, 995, 4443, 6443, 8443, 9443, 10443, 5986, 2376, 10250})
_GREETING_TLS_PORTS = frozenset({465, 990, 993, 995})  # mail and files: the server speaks first
DNS_PORT = 53
_REDIS_REPLIES = (b"-ERR", b"-NOAUTH", b"-DENIED", b"+PONG")


@dataclass(frozen=True, slots=True)
class Heard:
    """An open port and what it said. `open_to_all`: it answered an anonymous question that it should not."""

    port: int
    protocol: str
    banner: str
    observations: tuple[Observation, ...] = ()
    tls: TlsFacts | None = None
    open_to_all: bool = False
    notes: tuple[str, ...] = ()


async def probe_port(dialler: Dialler, host: str, port: int, tiers: tuple[Tier, ...]) -> Heard:
    """Ask one port.

    Raises PortClosedError or PortSilentError where nothing is there, AuthorityError where we may not.
    """
    if port in TLS_PORTS:
        try:
            return await _tls(dialler, host, port)
        except (PortClosedError, PortSilentError):
            raise
        except ProbeError:
            pass  # not TLS after all
    if port == DNS_PORT and Tier.SERVICES in tiers:
        return await _dns(dialler, port)
    raw, answered = await _listen_then_ask(dialler, host, port)
    if not answered:
        banner = read_banner(raw)
        return Heard(port, banner.protocol, banner.text, banner.observations)
    return await _from_answer(dialler, host, port, raw, tiers)


async def _listen_then_ask(dialler: Dialler, host: str, port: int) -> tuple[bytes, bool]:
    """The greeting, or else the answer to an HTTP request on the same connection."""
    async with dialler.open(port) as line:
        raw = await line.read(MOST_BYTES, WAIT_SECONDS, enough=complete)
        if raw:
            return raw, False
        await line.send(request(host, port, "/", tls=False))
        return await line.read(MOST_REPLY, enough=reply_complete), True


async def _from_answer(dialler: Dialler, host: str, port: int, raw: bytes, tiers: tuple[Tier, ...]) -> Heard:
    if raw.startswith(b"HTTP/"):
        reply = parse_reply(raw)
        heed(dialler, reply)
        if reply.status == 400 and b"HTTPS" in raw[:MOST_BYTES].upper():
            # Several servers answer so on a TLS port.
            return await _tls(dialler, host, port)
        return _http(port, "http", reply)
    if raw.startswith(_REDIS_REPLIES) and Tier.SERVICES in tiers:
        return await _redis(dialler, port)
    try:
        return await _tls(dialler, host, port)
    except ProbeError:
        if raw:
            banner = read_banner(raw)
            return Heard(port, banner.protocol, banner.text, banner.observations)
    if Tier.SERVICES in tiers:
        # Redis hangs up on HTTP without a word.
        heard = await _redis(dialler, port)
        if heard.protocol == "redis":
            return heard
    return Heard(port, "unknown", "", notes=("The port is open and says nothing.",))


def _http(port: int, protocol: str, reply: HttpReply, tls: TlsFacts | None = None) -> Heard:
    seen = []
    server = reply.header("server")
    if server:
        seen.append(Observation("http.server", server))
    powered = reply.header("x-powered-by")
    if powered:
        seen.append(Observation("http.powered-by", powered))
    banner = trimmed(f"HTTP {reply.status}" + (f", Server: {server}" if server else ", no Server header"))
    return Heard(port, protocol, banner, tuple(seen), tls)


async def _tls(dialler: Dialler, host: str, port: int) -> Heard:
    facts = await probe_tls(dialler, host, port)
    if port in _GREETING_TLS_PORTS:
        async with dialler.open(port, unverified_context(), host) as line:
            banner = read_banner(await line.read(MOST_BYTES, WAIT_SECONDS, enough=complete))
        return Heard(port, banner.protocol or "tls", banner.text, banner.observations, facts)
    try:
        return _http(port, "https", await get(dialler, host, port, tls=True), facts)
    except ProbeError:
        return Heard(port, "tls", "An encrypted service", tls=facts)


async def _redis(dialler: Dialler, port: int) -> Heard:
    """PING, and INFO where that is answered without a password: the version is all that is kept."""
    async with dialler.open(port) as line:
        await line.send(b"PING\r\n")
        pong = await line.read(MOST_BYTES, enough=lambda b: b"\n" in b)
        if not pong.startswith(_REDIS_REPLIES):
            return Heard(port, "unknown", trimmed(pong))
        is_open = pong.startswith(b"+PONG")
        seen = [Observation("redis.reply", trimmed(pong))]
        if is_open:
            await line.send(b"INFO server\r\n")
            info = await line.read(MOST_BYTES, enough=lambda b: b"redis_version:" in b and b"redis_git" in b)
            seen.insert(0, Observation("redis.info", info.decode("utf-8", "replace")))
    return Heard(port, "redis", trimmed(pong), tuple(seen), open_to_all=is_open)


async def _dns(dialler: Dialler, port: int) -> Heard:
    """Ask a name server over TCP for its version (CHAOS TXT version.bind)."""
    question = dns.message.make_query("version.bind", dns.rdatatype.TXT, dns.rdataclass.CH)
    wire = question.to_wire()
    async with dialler.open(port) as line:
        await line.send(struct.pack(">H", len(wire)) + wire)
        raw = await line.read(MOST_BYTES, enough=lambda b: len(b) >= 2 and len(b) >= 2 + int.from_bytes(b[:2], "big"))
    try:
        answer = dns.message.from_wire(raw[2:])
    except (dns.exception.DNSException, ValueError):
        return Heard(port, "unknown", trimmed(raw), notes=("It does not speak DNS.",))
    texts = [b"".join(r.strings) for rows in answer.answer for r in rows if r.rdtype == dns.rdatatype.TXT]
    version = trimmed(texts[0]) if texts else ""
    seen = (Observation("dns.version", version),) if version else ()
    return Heard(port, "dns", version or "A name server that does not tell its version", seen)
