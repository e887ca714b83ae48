"""What a TLS port offers: versions and weak suites by raw ClientHello, the certificate by an ordinary
handshake.

The hello is written by hand because OpenSSL 3 can no longer offer what must be looked for. Only the first
answer is read (ServerHello or alert, RFC 5246 section 7.4, RFC 8446 section 4.1.3), then the connection
ends. A version counts as offered only where the server chose it; no answer means not known, never "not
offered".
"""

from __future__ import annotations

import os
import ssl
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address

from cyberalarm.scanner.certificates import CertificateFacts, read_certificate
from cyberalarm.scanner.errors import ProbeError
from cyberalarm.scanner.wire import Dialler, PortClosedError, PortSilentError

_HELLO_BYTES = 4096
_HELLO_SECONDS = 3.0  # a server answers a hello at once; one that waits for more does not speak TLS
_RETRY_RANDOM_IS_HELLO = 2  # handshake type of ServerHello and of HelloRetryRequest alike
_RECORD_HANDSHAKE, _RECORD_ALERT = 22, 21


class Version(IntEnum):
    SSL3 = 0x0300
    TLS10 = 0x0301
    TLS11 = 0x0302
    TLS12 = 0x0303
    TLS13 = 0x0304

    @property
    def label(self) -> str:
        return "SSL 3.0" if self is Version.SSL3 else f"TLS 1.{self - Version.TLS10}"


# IANA TLS cipher suite registry. Modern servers choose one of the first group, old ones one of the second.
_SUITES_13 = (0x1301, 0x1302, 0x1303)
_SUITES = (
    0xC02F,
    0xC02B,
    0xC030,
    0xC02C,
    0xCCA8,
    0xCCA9,
    0xC013,
    0xC014,
    0xC009,
    0xC00A,
    0x009C,
    0x009D,
    0x002F,
    0x0035,
    0x000A,
)
# Anonymous, without encryption, export strength, RC4, single and triple DES.
WEAK_SUITES: dict[int, str] = {
    0x0034: "anonymous AES", 0x0018: "anonymous RC4", 0x001B: "anonymous 3DES", 0xC018: "anonymous AES",
    0x0001: "no encryption", 0x0002: "no encryption", 0x003B: "no encryption", 0xC010: "no encryption",
    0x0003: "export RC4", 0x0008: "export DES", 0x0004: "RC4", 0x0005: "RC4", 0xC011: "RC4", 0xC007: "RC4",
    0x0009: "DES", 0x000A: "3DES", 0xC012: "3DES", 0xC008: "3DES", 0x0016: "3DES",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """`versions` the server chose when asked; `unknown` those it gave no readable answer for."""

    versions: tuple[str, ...]
    unknown: tuple[str, ...]
    weak_suite: str
    certificate: CertificateFacts | None


@dataclass(frozen=True, slots=True)
class ServerChoice:
    version: int
    suite: int


def unverified_context() -> ssl.SSLContext:
    """A context that accepts any certificate: its facts are what is looked at, and nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def client_hello(version: Version, suites: tuple[int, ...], host: str) -> bytes:
    """A ClientHello that offers exactly one version."""
    legacy = min(version, Version.TLS12)
    names = b"".join(struct.pack(">H", s) for s in suites)
    body = struct.pack(">H", legacy) + os.urandom(32)
    body += b"\x20" + os.urandom(32) if version is Version.TLS13 else b"\x00"
    body += struct.pack(">H", len(names)) + names + b"\x01\x00"
    extensions = b"" if version is Version.SSL3 else _extensions(version, host)
    if extensions:
        body += struct.pack(">H", len(extensions)) + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    record = min(version, Version.TLS10)
    return struct.pack(">BHH", _RECORD_HANDSHAKE, record, len(handshake)) + handshake


def _extensions(version: Version, host: str) -> bytes:
    def extension(kind: int, content: bytes) -> bytes:
        return struct.pack(">HH", kind, len(content)) + content

    def listed(content: bytes) -> bytes:
        return struct.pack(">H", len(content)) + content

    found = b""
    if not _is_address(host):
        name = host.encode("ascii")
        found += extension(0, listed(b"\x00" + listed(name)))  # server_name, RFC 6066
    found += extension(10, listed(struct.pack(">4H", 29, 23, 24, 25)))  # x25519, P-256, P-384, P-521
    found += extension(11, b"\x01\x00")  # uncompressed points
    schemes = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
    if version >= Version.TLS12:
        found += extension(13, listed(struct.pack(f">{len(schemes)}H", *schemes)))
    if version is Version.TLS13:
        found += extension(43, b"\x02" + struct.pack(">H", Version.TLS13))
        found += extension(51, listed(b""))  # no key share: the server asks again, which is answer enough
    return found


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def parse_server_hello(raw: bytes) -> ServerChoice | None:
    """What the server chose; None when it refused with an alert. Raises ProbeError on anything else."""
    if len(raw) < 5:
        raise ProbeError("No TLS answer.", code="scanner.probe.tls")
    kind, record_version, length = struct.unpack(">BHH", raw[:5])
    if record_version >> 8 != 3:
        raise ProbeError("The answer is not TLS.", code="scanner.probe.tls")
    if kind == _RECORD_ALERT:
        return None
    body = raw[5 : 5 + length]
    if kind != _RECORD_HANDSHAKE or len(body) < 39 or body[0] != _RETRY_RANDOM_IS_HELLO:
        raise ProbeError("The answer is not a TLS hello.", code="scanner.probe.tls")
    (version,) = struct.unpack(">H", body[4:6])
    at = 39 + body[38]
    if len(body) < at + 3:
        raise ProbeError("The TLS hello is cut off.", code="scanner.probe.tls")
    (suite,) = struct.unpack(">H", body[at : at + 2])
    return ServerChoice(_selected_version(body[at + 3 :]) or version, suite)


def _selected_version(tail: bytes) -> int | None:
    """The supported_versions extension (43) of a ServerHello, where TLS 1.3 says what it is."""
    at = 2
    while at + 4 <= len(tail):
        kind, length = struct.unpack(">HH", tail[at : at + 4])
        if kind == 43 and length == 2 and at + 6 <= len(tail):
            return int.from_bytes(tail[at + 4 : at + 6], "big")
        at += 4 + length
    return None


async def _ask(
    dialler: Dialler, host: str, port: int, version: Version, suites: tuple[int, ...]
) -> ServerChoice | None:
    async with dialler.open(port) as line:
        await line.send(client_hello(version, suites, host))
        return parse_server_hello(await line.read(_HELLO_BYTES, _HELLO_SECONDS, enough=_first_record))


def _first_record(raw: bytes) -> bool:
    return len(raw) >= 5 and len(raw) >= 5 + int.from_bytes(raw[3:5], "big")


async def probe_tls(dialler: Dialler, host: str, port: int) -> TlsFacts:
    """All TLS facts of one port. Raises ProbeError when the port does not speak TLS at all."""
    versions: list[str] = []
    unknown: list[str] = []
    spoke = False
    for version in reversed(Version):
        suites = _SUITES_13 if version is Version.TLS13 else (*_SUITES, *WEAK_SUITES)
        try:
            choice = await _ask(dialler, host, port, version, suites)
        except (PortClosedError, PortSilentError):
            raise
        except ProbeError:
            unknown.append(version.label)
            if not spoke and version is Version.TLS12:
                raise  # two modern hellos without a TLS answer: it is something else
            continue
        spoke = True
        if choice is not None and choice.version == version:
            versions.append(version.label)
    certificate = await _certificate(dialler, host, port) if versions else None
    weak = await _weak_suite(dialler, host, port) if versions else ""
    return TlsFacts(tuple(reversed(versions)), tuple(reversed(unknown)), weak, certificate)


async def _weak_suite(dialler: Dialler, host: str, port: int) -> str:
    try:
        choice = await _ask(dialler, host, port, Version.TLS12, tuple(WEAK_SUITES))
    except ProbeError:
        return ""
    return WEAK_SUITES.get(choice.suite, "") if choice is not None else ""


async def _certificate(dialler: Dialler, host: str, port: int) -> CertificateFacts | None:
    try:
        async with dialler.open(port, unverified_context(), host) as line:
            secured: ssl.SSLObject | None = line.writer.get_extra_info("ssl_object")
            der = secured.getpeercert(binary_form=True) if secured is not None else None
    except ProbeError:
        return None
    return read_certificate(der) if der else None
