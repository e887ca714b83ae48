"""Syslog over TLS (RFC 5425): TCP syslog behind a handshake.

Invariants
- Handshakes never wait: each is carried on when its bytes come, a few in one turn, and given up after ten seconds. Neither a slow
  nor a failing one keeps lines of other connections.
- Nothing is read as lines before the handshake is done, and with client authorities not before the device's certificate verified.
- Each failure is counted under one reason, in words for a person, with the address that it last came from.
- Files that change are read again with the next connection; when they cannot be used, those in use stay and that is said.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.receive.handshakes import Failed, Failure
from cyberalarm.collector.receive.sections import CERTIFICATE, KEY
from cyberalarm.collector.receive.tcp import TcpReceiver
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope import certificate as certificates
from cyberalarm.envelope.errors import KeyRefused

if TYPE_CHECKING:
    from cyberalarm.collector.receive.chunk import Intake
    from cyberalarm.collector.receive.sections import Tls
    from cyberalarm.collector.receive.tcp import Sender

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS = 10.0
_AT_ONCE = 16  # handshakes carried on in one turn; each step costs a millisecond or two
_RECORD = 16 * 1024  # RFC 8446, 5.1: a record's plaintext at most
_RECORDS = 16
_HELLO = b"\x16"  # RFC 8446, 5.1: the type of the first record of a handshake
_LOOK_SECONDS = 2.0


# OpenSSL's reasons (include/openssl/sslerr.h), as far as they tell something.
_REASONS = {
    "UNSUPPORTED_PROTOCOL": Failure.VERSION,
    "NO_PROTOCOLS_AVAILABLE": Failure.VERSION,
    "VERSION_TOO_LOW": Failure.VERSION,
    "WRONG_VERSION_NUMBER": Failure.VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": Failure.VERSION,
    "NO_SHARED_CIPHER": Failure.CIPHER,
    "NO_SUITABLE_KEY_SHARE": Failure.CIPHER,
    "NO_SUITABLE_GROUPS": Failure.CIPHER,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Failure.CIPHER,
    "NO_SHARED_SIGNATURE_ALGORITHMS": Failure.CIPHER,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": Failure.CIPHER,
    "TLSV1_ALERT_UNKNOWN_CA": Failure.DISTRUSTED,
    "SSLV3_ALERT_BAD_CERTIFICATE": Failure.DISTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": Failure.DISTRUSTED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": Failure.DISTRUSTED,
    "TLSV1_ALERT_ACCESS_DENIED": Failure.DISTRUSTED,
    "TLSV1_ALERT_DECRYPT_ERROR": Failure.DISTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": Failure.EXPIRED_HERE,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Failure.NO_CERTIFICATE,
}
# Results of verification (include/openssl/x509_vfy.h).
_EXPIRED = {9, 10}
_UNKNOWN_AUTHORITY = {2, 7, 18, 19, 20, 21}  # 7: an authority of the same name, with another key


@dataclass(frozen=True, slots=True)
class TlsFiles:
    certificate: Path
    key: Path
    authorities: Path | None

    @classmethod
    def of(cls, section: Tls, data: Path) -> TlsFiles:
        """The configured files, or those that `cyberalarm collector certificate` makes."""
        return cls(
            Path(section.certificate) if section.certificate else data / CERTIFICATE,
            Path(section.key) if section.key else data / KEY,
            Path(section.client_authorities) if section.client_authorities else None,
        )

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Changes when a file does. Raises OSError."""
        found = [path.stat() for path in (self.certificate, self.key, self.authorities) if path]
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


class TlsDoor:
    """The context for handshakes, made of files and made again when they change; several listeners share it."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises ConfigurationError."""
        self._files = files
        self._seen: tuple[tuple[int, int, int], ...] = ()
        self._look_at = 0.0
        self.trouble = ""
        self.expires = 0.0  # seconds since 1970
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """For the next connection. Looks after the files every few seconds."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            try:
                if self._files.state() != self._seen:
                    self._context = self._load()
                    log.info("tls.files_read_again")
                self.trouble = ""
            except (OSError, ConfigurationError) as error:
                said = error.what if isinstance(error, ConfigurationError) else f"{error.filename}: {error.strerror}."
                if said != self.trouble:
                    log.warning("tls.files_unusable")
                self.trouble = said
        return self._context

    def _load(self) -> ssl.SSLContext:
        files = self._files
        try:
            seen = files.state()
            pem = files.certificate.read_bytes()
            until = certificates.valid_until(pem).timestamp()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            # Connections of syslog last; what resumes sessions would only widen what can be sent to us.
            context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
            context.num_tickets = 0
            context.load_cert_chain(files.certificate, files.key, password=_no_password)
            if files.authorities:
                context.load_verify_locations(files.authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"TLS: {error.filename or files.certificate} is not there.",
                next_step="Make a certificate with `cyberalarm collector certificate`, or name yours under [tls].",
            ) from error
        except (OSError, ValueError, KeyRefused) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(
                f"TLS: the files {files.certificate} and {files.key} cannot be used: {reason}.",
                next_step="Both must be PEM files that this user may read and that belong together; the key without a password.",
            ) from error
        self._seen, self.expires = seen, until
        return context


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


class TlsReceiver(TcpReceiver):
    name = "tls"

    def __init__(self, endpoint: str, connections: int, intake: Intake, door: TlsDoor) -> None:
        """Raises ConfigurationError when the port cannot be had."""
        super().__init__(endpoint, connections, intake)
        self._door = door
        self._steps = 0
        self._look_at = 0.0
        self.failures: dict[Failure, Failed] = {}

    def _turn(self, timeout: float) -> bool:
        self._steps = 0
        found = super()._turn(timeout)
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + 0.5
            slow = [one for one, sender in self._open.items() if 0 < sender.greeting_until <= now]
            for connection in slow:
                self._failed(connection, Failure.SLOW)
        return found

    def _welcome(self, connection: socket.socket, sender: Sender) -> None:
        sender.greeting_until = time.monotonic() + HANDSHAKE_SECONDS
        super()._welcome(connection, sender)

    def _read(self, connection: socket.socket) -> None:
        sender = self._open.get(connection)
        if sender is None or not sender.greeting_until:
            super()._read(connection)
        elif self._steps < _AT_ONCE:
            self._steps += 1
            self._greet(connection, sender)

    def _greet(self, connection: socket.socket, sender: Sender) -> None:
        """Carry the handshake on as far as it goes without waiting."""
        try:
            if not isinstance(connection, ssl.SSLSocket):
                first = connection.recv(1, socket.MSG_PEEK)
                if not first:
                    self._end(connection)  # a look whether the port is open
                    return
                if first != _HELLO:
                    self._failed(connection, Failure.PLAIN)
                    return
                connection = self._wrapped(connection, sender)
            connection.do_handshake()
        except (BlockingIOError, ssl.SSLWantReadError):
            self._watch(connection, write=False)
            return
        except ssl.SSLWantWriteError:
            self._watch(connection, write=True)
            return
        except OSError as error:
            self._failed(connection, _failure(error))
            return
        except ValueError:  # Python's own word for a peer that is gone in this moment
            self._failed(connection, Failure.BROKEN_OFF)
            return
        sender.greeting_until = 0.0
        self._watch(connection, write=False)

    def _wrapped(self, plain: socket.socket, sender: Sender) -> ssl.SSLSocket:
        made = self._door.context().wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        # The descriptor is the same; only its owner has changed.
        del self._open[plain]
        self._open[made] = sender
        self._replace(made)
        return made

    def _failed(self, connection: socket.socket, why: Failure) -> None:
        source = self._open[connection].source
        before = self.failures.get(why)
        if before is None:
            log.warning("tls.handshake_failed", why=why.name.lower())
        self.failures[why] = Failed(before.times + 1 if before else 1, source, time.time())
        self._end(connection)

    def _receive(self, connection: socket.socket) -> bytes | None:
        pieces: list[bytes] = []
        for _ in range(_RECORDS):
            try:
                piece = connection.recv(_RECORD)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                break
            except OSError:
                piece = b""
            if not piece:
                # What came before the end is handed over now; the end is found again in the next turn.
                return b"".join(pieces)
            pieces.append(piece)
        return b"".join(pieces) or None

    def _end(self, connection: socket.socket) -> None:
        if isinstance(connection, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                connection.unwrap()  # says goodbye; whether the other side answers does not matter
        super()._end(connection)


def _failure(error: OSError) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _EXPIRED:
            return Failure.EXPIRED
        return Failure.UNKNOWN_AUTHORITY if error.verify_code in _UNKNOWN_AUTHORITY else Failure.REFUSED
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return Failure.BROKEN_OFF
    reason = getattr(error, "reason", None) or ""
    return _REASONS.get(str(reason), Failure.OTHER)
