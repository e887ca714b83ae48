"""The centre, as a collector talks to it: a few requests over HTTPS, port 443, through a proxy where there is one.

The server is trusted by the pins that this collector knows; without any, by public certificates. Identity is never the TLS
session: envelopes and requests are signed. A request ends within a time that its size allows, however slowly the other side
takes or gives bytes (`transport`). Raises CentreUnreachableError when trying again helps, CentreRefusedError when not.
"""

from __future__ import annotations

import json
import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, make_headers

from cyberalarm import __version__
from cyberalarm.collector.errors import CentreRefusedError, CentreUnreachableError, OtherCertificateError
from cyberalarm.collector.transport import (
    PATIENCE,
    SOCKET_OPTIONS,
    Deadline,
    Patience,
    in_words,
    is_other_certificate,
    pieces,
)
from cyberalarm.envelope.canonical import require
from cyberalarm.envelope.receipts import READS_HEADER, READS_QUARANTINED
from cyberalarm.envelope.rotation import VOUCHER_HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from urllib3 import BaseHTTPResponse

_API = "/api/collector/v1"
_MOST_ANSWER = 1024 * 1024
STATUS_PATH = _API + "/status"
KEY_PATH = _API + "/key"
PACKS_PATH = _API + "/packs/"
SOURCES_PATH = _API + "/sources/"
_CODE = re.compile("[a-z0-9-]{1,64}")
_LONGEST_DETAIL = 1000  # characters; it is shown and kept in a note
# Codes that mean "not now" whatever the HTTP status.
_LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}


class Centre:
    """Connections to one centre; of one thread at a time. `pins` are the certificates that it may show; none: public trust."""

    def __init__(
        self, url: str, pin: str, proxy: str = "", next_pins: Sequence[str] = (), patience: Patience = PATIENCE
    ) -> None:
        self._url = url.rstrip("/")
        self.through = proxy or _environment_proxy(url)  # with the proxy's password, if there is one: not for people
        self._patience = patience
        self._deadline = Deadline()
        self.proxy = without_password(self.through)
        self.pins: tuple[str, ...] = (pin, *next_pins) if pin else ()
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def enrol(self, request: bytes) -> bytes:
        """Post an enrolment request; gives the enrolment document."""
        return self._send("POST", _API + "/enrol", request, {"Content-Type": "application/json"})

    def envelope(self, envelope: bytes, voucher: str = "") -> bytes:
        """Post an envelope, with the voucher of this collector's newer key where an older one signed it; gives its receipt."""
        headers = {"Content-Type": "application/octet-stream", READS_HEADER: READS_QUARANTINED}
        if voucher:
            headers[VOUCHER_HEADER] = voucher
        return self._send("POST", _API + "/envelopes", envelope, headers)

    def status(self, headers: dict[str, str], path: str = STATUS_PATH) -> bytes:
        """Ask for the status with a signed request, whose path may say what is in use here; gives the status document."""
        return self._send("GET", path, None, headers)

    def change_key(self, change: bytes, headers: dict[str, str]) -> bytes:
        """Post a change of this collector's key as a signed request; gives the centre's word on it."""
        return self._send("POST", KEY_PATH, change, {**headers, "Content-Type": "application/json"})

    def introduction(self, nonce: str) -> bytes:
        """Ask who the centre is by now; gives a document that proves itself.

        Where a certificate is pinned, any other is taken for this one question, which says nothing that is not public.
        """
        path = f"{_API}/introduction?nonce={nonce}"
        return self._send_to(self._pool("" if self.pins else None), "GET", path, None, {}, _MOST_ANSWER)

    def packs(self, sha256: str, size: int, headers: dict[str, str]) -> bytes:
        """Ask for the pack release of this digest and length with a signed request; whatever comes, it is hardly longer."""
        return self._send("GET", PACKS_PATH + sha256, None, headers, most=size + 1)

    def sources(self, sha256: str, size: int, headers: dict[str, str]) -> bytes:
        """Ask for the list of sources of this digest and length, as for packs."""
        return self._send("GET", SOURCES_PATH + sha256, None, headers, most=size + 1)

    def rest(self) -> None:
        """Close connections that are not in use. Nobody answers on an idle one, and the centre would wait for that."""
        for manager in self._pools.values():
            pools = manager.pools
            for pool in [pools.get(key) for key in pools.keys()]:  # noqa: SIM118 - it has keys, but cannot be iterated
                if pool is not None:
                    pool.close()
            manager.clear()

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], most: int = _MOST_ANSWER
    ) -> bytes:
        """Send to whoever shows one of the pinned certificates; nothing is sent before that is known."""
        *others, last = self.pins or (None,)
        for pin in others:
            try:
                return self._send_to(self._pool(pin), method, path, body, headers, most)
            except OtherCertificateError:
                continue
        return self._send_to(self._pool(last), method, path, body, headers, most)

    def _send_to(
        self,
        pool: urllib3.PoolManager,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        most: int,
    ) -> bytes:
        merged = {**pool.headers, **headers, **({"Content-Length": str(len(body))} if body is not None else {})}
        try:
            with self._deadline.within(self._patience.whole(len(body or b"") + most)):
                answer = pool.request(
                    method,
                    self._url + path,
                    body=None if body is None else pieces(body),
                    headers=merged,
                    redirect=False,
                    preload_content=False,
                )
                try:
                    content = answer.read(most)
                    if answer.length_remaining:
                        answer.close()  # more than any answer of ours: do not use this connection again
                finally:
                    answer.release_conn()
        except HTTPError as error:
            kind = OtherCertificateError if is_other_certificate(error) else CentreUnreachableError
            why = "it takes too long to answer" if self._deadline.passed else in_words(error)
            raise kind(
                f"The centre cannot be reached: {why}.",
                next_step="The bundles are kept and sent when it can be. `cyberalarm collector doctor` tells more.",
            ) from error
        if answer.status == HTTPStatus.OK and not _is_page(answer, content):
            return content
        raise _problem(answer, content)

    def _pool(self, pin: str | None) -> urllib3.PoolManager:
        """Connections that trust a pinned certificate; None: public ones; empty: any."""
        if pin not in self._pools:
            proxy = self.through
            make = (
                partial(urllib3.ProxyManager, proxy, proxy_headers=_proxy_headers(proxy))
                if proxy
                else urllib3.PoolManager
            )
            made = make(
                headers={"User-Agent": f"CyberAlarm-Collector/{__version__}"},
                timeout=Timeout(connect=self._patience.connect, read=self._patience.silence),
                retries=False,
                socket_options=SOCKET_OPTIONS,
                assert_fingerprint=pin or None,
                cert_reqs="CERT_REQUIRED" if pin is None else "CERT_NONE",
            )
            made.pool_classes_by_scheme = self._deadline.pool_classes
            self._pools[pin] = made
        return self._pools[pin]


def _proxy_headers(proxy: str) -> dict[str, str]:
    """RFC 7617's header when the proxy's address holds a user name and password."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    return make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")


def without_password(url: str) -> str:
    """A proxy's address for people: without its user name and password."""
    return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def _environment_proxy(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if proxy_bypass(host):
        return ""
    return getproxies().get("https", "")


def _is_page(answer: BaseHTTPResponse, content: bytes) -> bool:
    """Is this a page for people, such as a network's own sign-in page? Our API never answers with one."""
    return "html" in answer.headers.get("Content-Type", "").lower() or content.lstrip()[:1] == b"<"


def _problem(answer: BaseHTTPResponse, content: bytes) -> Exception:
    try:
        problem = json.loads(content)
        code, detail = str(problem["code"]), str(problem["detail"])[:_LONGEST_DETAIL]
        require(bool(_CODE.fullmatch(code)), "no code of ours")
    except (ValueError, KeyError, TypeError, RecursionError):
        problem, code, detail = {}, f"http-{answer.status}", f"The centre answered {answer.status}."
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _LATER:
        wait = answer.headers.get("Retry-After", "")
        return CentreUnreachableError(detail, wait=float(wait) if wait.isdecimal() else None)
    if code.startswith("http-"):
        # Not our centre's own words: a captive portal or a proxy in between. It may go away.
        return CentreUnreachableError(
            f"Something between here and the centre answers in its place (HTTP status {answer.status}).",
            next_step="A sign-in page of the network, or a proxy or filter? Let this machine reach the centre directly.",
        )
    expected = problem.get("expected")
    return CentreRefusedError(code, detail, expected=expected if isinstance(expected, int) else None)
