"""TLS facts against real TLS servers on loopback, and certificates against a second reader of them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.scanner.certificates import read_certificate
from cyberalarm.scanner.checks import behaviour_findings, checks
from cyberalarm.scanner.engines.http import get
from cyberalarm.scanner.engines.probe import Heard, probe_port
from cyberalarm.scanner.engines.tls import TlsFacts, Version, client_hello, probe_tls
from cyberalarm.scanner.errors import ProbeError
from cyberalarm.scanner.wire import Dialler, Pace
from tests.scanner.scan_lab import BOTH, answers, http, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC)


def certificate(
    *,
    name: str = "www.example.org",
    days: int = 90,
    bits: int = 0,
    alternatives: tuple[str, ...] = (),
    issuer: str = "",
) -> tuple[bytes, bytes]:
    """A certificate and its key, PEM. `bits` gives RSA, else an elliptic curve."""
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]) if issuer else subject
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key()).serial_number(7)
        .not_valid_before(NOW - dt.timedelta(days=100)).not_valid_after(NOW + dt.timedelta(days=days))
    )  # fmt: skip
    if alternatives:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in alternatives]), critical=False
        )
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signed.public_bytes(serialization.Encoding.PEM), private


def context(folder: Path, pem: tuple[bytes, bytes], lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> ssl.SSLContext:
    (folder / "c.pem").write_bytes(pem[0])
    (folder / "k.pem").write_bytes(pem[1])
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version, made.maximum_version = lowest, highest
    made.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return made


@contextlib.contextmanager
def tls_server(made: ssl.SSLContext) -> Iterator[int]:
    """A web server that speaks TLS only, in a thread of its own."""
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        server_version, sys_version = "nginx/1.18.0", ""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def get_request(self) -> tuple[ssl.SSLSocket, object]:
            plain, address = super().get_request()
            plain.settimeout(5)
            return made.wrap_socket(plain, server_side=True), address

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def ask(port: int, host: str = "www.example.org") -> Heard:
    async def asking() -> Heard:
        dialler = Dialler(ip_address("127.0.0.1"), frozenset({port}), lambda: None, Pace(500.0, 10))
        return await probe_port(dialler, host, port, BOTH)

    return asyncio.run(asking())


def names(heard: Heard, host: str = "www.example.org") -> set[str]:
    return {f.check for f in behaviour_findings(heard, "m", host, NOW)}


def test_old_and_expired(tmp_path: Path) -> None:
    made = context(
        tmp_path,
        certificate(days=-1, name="old.example.org", bits=1024),
        ssl.TLSVersion.TLSv1,
        ssl.TLSVersion.TLSv1_2,
    )
    with tls_server(made) as port:
        heard = ask(port)
    assert heard.protocol == "https"
    assert heard.tls is not None
    assert heard.tls.versions == ("TLS 1.0", "TLS 1.1", "TLS 1.2")
    assert names(heard) >= {
        "tls-old",
        "certificate-expired",
        "certificate-self-signed",
        "certificate-name",
        "certificate-weak",
    }
    assert [o.text for o in heard.observations] == ["nginx/1.18.0 "] or heard.observations[0].text.startswith(
        "nginx/1.18.0"
    )


def test_modern_and_in_order(tmp_path: Path) -> None:
    pem = certificate(alternatives=("*.example.org",), issuer="Example Authority")
    made = context(tmp_path, pem, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    made.set_ciphers("ECDHE+AESGCM")
    with tls_server(made) as port:
        heard = ask(port)
    assert heard.tls is not None
    assert heard.tls.versions == ("TLS 1.2", "TLS 1.3")
    assert heard.tls.weak_suite == ""
    assert names(heard) == set()


def test_only_tls_13(tmp_path: Path) -> None:
    made = context(tmp_path, certificate(), ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
    with tls_server(made) as port:
        heard = ask(port)
    assert heard.tls is not None
    assert heard.tls.versions == ("TLS 1.3",)


def test_anonymous_suite_is_weak(tmp_path: Path) -> None:
    made = context(tmp_path, certificate(), ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    made.set_ciphers("aNULL:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0")
    with tls_server(made) as port:
        heard = ask(port)
    assert heard.tls is not None
    assert heard.tls.weak_suite == "anonymous AES"
    assert "tls-weak-suite" in names(heard)


def test_a_port_without_tls_says_so() -> None:
    async def asking(port: int) -> TlsFacts:
        dialler = Dialler(ip_address("127.0.0.1"), frozenset({port}), lambda: None, Pace(500.0, 10))
        return await probe_tls(dialler, "www.example.org", port)

    with listening(answers(http("plain"))) as (server,), pytest.raises(ProbeError):
        asyncio.run(asking(server.port))


def test_proof_over_https(tmp_path: Path) -> None:
    made = context(tmp_path, certificate(), ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

    async def asking(port: int) -> int:
        dialler = Dialler(ip_address("127.0.0.1"), frozenset({port}), lambda: None, Pace(500.0, 10))
        return (await get(dialler, "www.example.org", port, tls=True)).status

    with tls_server(made) as port:
        assert asyncio.run(asking(port)) == 200


KEY = ec.generate_private_key(ec.SECP256R1())


@settings(max_examples=25, deadline=None)
@given(
    st.from_regex(r"[a-z][a-z0-9]{0,20}\.example\.org", fullmatch=True),
    st.datetimes(dt.datetime(1960, 1, 1), dt.datetime(2048, 1, 1)),  # noqa: DTZ001 - hypothesis wants them naive
    st.lists(st.from_regex(r"[a-z]{1,9}\.example\.net", fullmatch=True), max_size=5, unique=True),
)
def test_reads_what_the_library_wrote(name: str, ends: dt.datetime, others: list[str]) -> None:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ex"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    ends = ends.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key()).serial_number(1)
        .not_valid_before(dt.datetime(1955, 1, 1, tzinfo=dt.UTC)).not_valid_after(ends.replace(tzinfo=dt.UTC))
    )  # fmt: skip
    if others:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(o) for o in others]), critical=False)
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    facts = read_certificate(der)
    assert (facts.subject, facts.self_signed, facts.rsa_bits, facts.old_signature) == (name, True, 0, "")
    assert facts.not_after == ends.replace(tzinfo=dt.UTC)
    assert facts.names == (tuple(others) or (name,))
    for cut in range(0, len(der), 37):
        with pytest.raises(ProbeError):
            read_certificate(der[:cut])


def test_names_a_certificate_covers() -> None:
    pem = certificate(name="a.example.org", alternatives=("b.example.org", "*.c.example.org"))[0]
    facts = read_certificate(ssl.PEM_cert_to_DER_cert(pem.decode()))
    covered = ["b.example.org", "B.example.org", "x.c.example.org"]
    not_covered = ["a.example.org", "c.example.org", "x.y.c.example.org", "example.org", ""]
    assert all(facts.covers(h) for h in covered)
    assert not any(facts.covers(h) for h in not_covered)


@pytest.mark.parametrize("version", list(Version))
def test_hello_offers_one_version(version: Version) -> None:
    hello = client_hello(version, (0x1301, 0xC02F), "www.example.org")
    assert hello[0] == 22
    assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
    assert (b"www.example.org" in hello) is (version is not Version.SSL3)
    assert b"192.0.2.7" not in client_hello(version, (0x1301,), "192.0.2.7")


def test_every_check_has_words() -> None:
    for check in checks().values():
        assert check.title
        assert check.advice.endswith(".")
