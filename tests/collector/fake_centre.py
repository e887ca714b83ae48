"""A small centre over real HTTPS on loopback, as docs/collector-api.md describes one: it verifies the chain and every signature,
opens each bundle and checks its ledger. It can be told to misbehave. It shares no code with the real one but the envelope package.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa

from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope import certificate, payload, receipts, releases, sealing, source_list
from cyberalarm.envelope.documents import Enrolment, Offer, Status
from cyberalarm.envelope.errors import EnvelopeRefused, RequestRefused, SignatureRefused
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, VerifyKey
from cyberalarm.envelope.receipts import Receipt
from cyberalarm.envelope.requests import EnrolmentRequest, InUse, SignedRequest
from cyberalarm.envelope.rotation import VOUCHER_HEADER, Introduction, KeyChange, KeyChanged, check_voucher
from cyberalarm.envelope.tokens import RegistrationToken
from cyberalarm.envelope.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.core.alarm import Alarm

REFERENCE = "c-test"


@dataclass
class Refusal(Exception):  # noqa: N818 - the field says "refused"
    """An answer that is a problem document."""

    status: int
    code: str
    extra: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    """Bytes to answer with, whatever they are; `cut` closes the connection after so many of them."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass
class Taken:
    """One accepted envelope."""

    sequence: int
    digest: str
    key: str
    ledgers: dict[str, Ledger]
    events: pa.Table
    alarms: tuple[Alarm, ...] | None = None
    release: int | None = None


class FakeCentre:
    """`answers` are used first, one for each envelope that comes: an Answer, or a function of the honest receipt's bytes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.receipt_key = SigningKey.generate()
        self.analysis = [AnalysisKey.generate()]
        self.collectors: dict[str, bytes] = {}
        self.earlier: list[
            tuple[int, bytes]
        ] = []  # keys of before, each with the sequence that it did not sign any more
        self.knows_nonces = True  # as centres of later versions do
        self.next_receipt_key: SigningKey | None = None
        self.pins: list[str] = []
        self.successions: tuple[str, ...] = ()
        self.secrets: dict[str, bytes] = {}
        self.used: dict[str, bytes] = {}
        self.taken: list[Taken] = []
        self.receipts: dict[str, bytes] = {}
        self.sequence, self.head = 0, sealing.FIRST_PREVIOUS
        self.arrivals = 0
        self.clock_ms = 0
        self.held = False
        self.minimum_version = "0.1.0"
        self.bundle_form = 2
        self.asked_status = 0
        self.in_use: InUse | None = None  # as was said with the newest question
        self.release_keys: tuple[VerifyKey, ...] = ()
        self.release: tuple[int, bytes] | None = None  # number and file, as the status offers them
        self.served: bytes | None = None  # what is given out in its place
        self.sources: bytes | None = None  # the list of sources, offered to those who say that they read such
        self.fetched = 0
        self.answers: deque[Answer | Callable[[bytes], Answer]] = deque()
        self.lock = threading.Lock()
        paths = certificate.make(folder, ["127.0.0.1"])
        self.pin = certificate.pin(paths.certificate.read_bytes())
        self.pins = [self.pin]
        handler = type("Handler", (_Handler,), {"centre": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.certificate, paths.key)
        self.context = context
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> FakeCentre:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, reference: str = REFERENCE) -> RegistrationToken:
        made = RegistrationToken.new(self.url, self.pin, reference)
        self.secrets[reference] = made.secret
        self.used.pop(reference, None)
        return made

    @property
    def lines(self) -> int:
        return sum(ledger.received for one in self.taken for ledger in one.ledgers.values())

    def total(self) -> Ledger:
        whole = Ledger()
        for one in self.taken:
            for ledger in one.ledgers.values():
                whole.merge(ledger)
        return whole

    def events(self) -> list[dict[str, object]]:
        return [row for one in self.taken for row in one.events.to_pylist()]

    def enrol(self, body: bytes) -> bytes:
        request = EnrolmentRequest.from_bytes(body)
        request.verify_proof()
        if self.secrets.get(request.collector) != request.secret:
            raise Refusal(403, "token-unknown")
        if self.used.setdefault(request.collector, request.public_key) != request.public_key:
            raise Refusal(403, "token-used")
        self.collectors[request.collector] = request.public_key
        keys = tuple(key.public for key in self.analysis)
        document = Enrolment(
            request.collector,
            self.url,
            self.receipt_key.public,
            keys,
            self.sequence + 1,
            self.head,
            self.now(),
            self.release_keys,
        )
        return document.sign(self.receipt_key)

    def change_key(self, request: SignedRequest, body: bytes) -> bytes:
        change = KeyChange.from_bytes(body)
        change.verify_proof()
        present = self.collectors[request.collector]
        before = [key for _, key in self.earlier] if change.public_key == present else [present]
        request.verify(VerifyKey(before[-1]), "POST", "/api/collector/v1/key", body, self.now())
        if change.public_key != present:
            self.earlier.append((change.first, present))
            self.collectors[request.collector] = change.public_key
        return KeyChanged(request.collector, change.public_key, change.first, self.now()).sign(self.receipt_key)

    def take(self, envelope: bytes, voucher: str = "") -> bytes:
        self.arrivals += 1
        header = sealing.read_header(envelope)
        key = self.collectors.get(header.collector)
        if key is None:
            raise Refusal(403, "collector-unknown")
        digest = sealing.digest(envelope)
        older = next((old for until, old in self.earlier if header.sequence < until), None)
        sealing.verify(envelope, VerifyKey(older or key))
        if older is not None:
            check_voucher(voucher, digest, VerifyKey(key))
        if digest in self.receipts:
            return self.receipts[digest]
        self._check_chain(header)
        opened = sealing.open_sealed(envelope, {k.public.key_id: k for k in self.analysis})
        inside = payload.read(opened)
        if inside.alarms is not None and self.bundle_form < payload.FORM_WITH_ALARMS:
            raise Refusal(422, "payload-malformed")
        ledgers = inside.ledgers
        events = pa.ipc.open_stream(inside.arrow_ipc).read_all()
        kept = sum(ledger.outcomes[Outcome.KEPT] for ledger in ledgers.values())
        lines = sum(ledger.received for ledger in ledgers.values())
        balanced = all(ledger.balanced for ledger in ledgers.values())
        if not balanced or sum(events["count"].to_pylist()) != kept:
            raise Refusal(422, "ledger-unbalanced")
        if (events.num_rows, lines) != (header.events, header.lines):
            raise Refusal(422, "header-mismatch")
        if events.num_rows > 200_000:
            raise Refusal(422, "events-too-many")
        self.taken.append(Taken(header.sequence, digest, header.key, ledgers, events, inside.alarms, inside.release))
        self.sequence, self.head = header.sequence, digest
        receipt = Receipt(digest, header.collector, header.sequence, events.num_rows, self.now())
        self.receipts[digest] = receipts.issue(receipt, self.receipt_key)
        return self.receipts[digest]

    def _check_chain(self, header: sealing.Header) -> None:
        expected = {"expected": self.sequence + 1}
        if header.sequence > self.sequence + 1:
            raise Refusal(409, "chain-gap", expected)
        if header.sequence <= self.sequence:
            raise Refusal(409, "envelope-replayed", expected)
        if header.previous != self.head:
            raise Refusal(409, "chain-forked", expected)

    def status(self, request: SignedRequest, path: str) -> bytes:
        self.asked_status += 1
        request.verify(VerifyKey(self.collectors[request.collector]), "GET", path, b"", self.now())
        self.in_use = InUse.from_query(dict(parse_qsl(urlsplit(path).query)))
        keys = tuple(key.public for key in self.analysis)
        status = Status(
            request.collector,
            "0.1.0",
            (),
            self.minimum_version,
            self.held,
            self.now(),
            self.sequence + 1,
            self.head,
            keys,
            self.bundle_form,
            Offer(self.release[0], releases.digest(self.release[1]), len(self.release[1])) if self.release else None,
            sources=self._offered_sources() if self.in_use and self.in_use.sources else None,
            trust=self.trust(self.in_use.nonce) if self.in_use and self.in_use.nonce and self.knows_nonces else None,
        )
        return status.sign(self.receipt_key)

    def trust(self, nonce: str) -> Trust:
        keys = [self.receipt_key, *([self.next_receipt_key] if self.next_receipt_key else [])]
        return Trust(nonce, tuple(self.pins), tuple(key.verify_key for key in keys))

    def introduction(self, path: str) -> bytes:
        nonce = dict(parse_qsl(urlsplit(path).query))["nonce"]
        return Introduction(self.url, self.trust(nonce), self.successions).sign(self.receipt_key)

    def packs(self, request: SignedRequest, path: str) -> bytes:
        self.fetched += 1
        request.verify(VerifyKey(self.collectors[request.collector]), "GET", path, b"", self.now())
        if self.release is None or path.rpartition("/")[2] != releases.digest(self.release[1]):
            raise Refusal(404, "release-unknown")
        return self.release[1] if self.served is None else self.served

    def _offered_sources(self) -> Offer | None:
        return Offer(1, source_list.digest(self.sources), len(self.sources)) if self.sources else None

    def listed(self, request: SignedRequest, path: str) -> bytes:
        request.verify(VerifyKey(self.collectors[request.collector]), "GET", path, b"", self.now())
        if self.sources is None or path.rpartition("/")[2] != source_list.digest(self.sources):
            raise Refusal(404, "sources-unknown")
        return self.sources

    def now(self) -> int:
        return int(time.time() * 1000) + self.clock_ms


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    centre: ClassVar[FakeCentre]
    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        centre = self.centre
        with centre.lock:
            if self.path.endswith("/enrol"):
                self._answer(lambda: centre.enrol(body))
                return
            if self.path.endswith("/key"):
                self._answer(lambda: centre.change_key(SignedRequest.read(self.headers), body))
                return
            misbehaved = centre.answers.popleft() if centre.answers else None
            if isinstance(misbehaved, Answer):
                centre.arrivals += 1
                self._write(misbehaved)
            elif misbehaved is not None:
                self._write(misbehaved(centre.take(body, self._voucher)))
            else:
                self._answer(lambda: centre.take(body, self._voucher))

    @property
    def _voucher(self) -> str:
        return str(self.headers.get(VOUCHER_HEADER, ""))

    def do_GET(self) -> None:
        with self.centre.lock:
            if "/introduction" in self.path:
                self._answer(lambda: self.centre.introduction(self.path))
                return
            named = {"packs": self.centre.packs, "sources": self.centre.listed}
            answer = named.get(self.path.split("/")[4], self.centre.status)
            self._answer(lambda: answer(SignedRequest.read(self.headers), self.path))

    def _answer(self, work: Callable[[], bytes]) -> None:
        try:
            self._write(Answer(200, work(), {"Content-Type": "application/json"}))
        except Refusal as refusal:
            self._write(problem(refusal.status, refusal.code, refusal.extra, refusal.headers))
        except (EnvelopeRefused, RequestRefused, SignatureRefused) as error:
            self._write(problem(403, error.code))

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content[: answer.cut])
        if answer.cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


def problem(
    status: int, code: str, extra: dict[str, object] | None = None, headers: dict[str, str] | None = None
) -> Answer:
    document = {"type": "about:blank", "title": code, "status": status, "detail": f"In short: {code}.", "code": code}
    content = json.dumps({**document, **(extra or {})}).encode()
    return Answer(status, content, {"Content-Type": "application/problem+json", **(headers or {})})
