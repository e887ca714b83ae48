"""Syslog over TLS: real clients of several kinds, good and bad ones, certificates that change."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cyberalarm.collector import certificates, checking
from cyberalarm.collector.doctor.receiving import receiving_checks
from cyberalarm.collector.receive import tls
from cyberalarm.collector.receive.chunk import Intake
from cyberalarm.collector.receive.handshakes import ADVICE, Failure
from cyberalarm.collector.receive.sections import Tls
from cyberalarm.collector.receive.tls import TlsDoor, TlsFiles, TlsReceiver
from cyberalarm.collector.state import State
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope import certificate
from tests.collector.processes import cyberalarm, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.collector.members import Home


@dataclass
class Listening:
    door: TlsDoor
    endpoint: str = "127.0.0.1:0"
    connections: int = 40
    lines: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.intake = Intake()
        self.receiver = TlsReceiver(self.endpoint, self.connections, self.intake, self.door)
        self.receiver.start()

    def collect(self) -> list[bytes]:
        while (chunk := self.intake.get(0)) is not None:
            self.lines += chunk.lines.split(b"\n")[:-1]
        return self.lines

    def plain(self) -> socket.socket:
        return socket.create_connection(self.receiver.address, 10)

    def connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        return context.wrap_socket(self.plain(), server_hostname="localhost")

    def failed(self, why: Failure) -> int:
        found = self.receiver.failures.get(why)
        return found.times if found else 0

    def end(self) -> None:
        self.intake.closing.set()
        self.receiver.stop()


@dataclass(frozen=True)
class Authority:
    """Somebody who signs devices' certificates."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: str

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Authority:
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        own = _signed(name, key, key, name, 3650, ca=True)
        (folder / "ca.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
        return cls(folder, key, name)

    def issue(self, name: str, days: int = 30) -> Path:
        """A file with a device's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(name, key, self.key, self.name, days)
        path = self.folder / f"{name}.pem"
        plain = serialization.NoEncryption()
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
            + made.public_bytes(serialization.Encoding.PEM)
        )
        return path


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, issuer: str, days: int, ca: bool = False
) -> x509.Certificate:
    end = datetime.now(UTC) + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(end, datetime.now(UTC)) - timedelta(days=60))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    paths = certificate.make(tmp_path, ["localhost", "127.0.0.1", "::1"])
    return TlsFiles(paths.certificate, paths.key, None)


@pytest.fixture
def listening(files: TlsFiles) -> Iterator[Listening]:
    made = Listening(TlsDoor(files))
    yield made
    made.end()


@pytest.fixture
def trusting(files: TlsFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.certificate))


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


@pytest.mark.parametrize("endpoint", ["127.0.0.1:0", "[::1]:0"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_lines_of_both_framings_arrive(
    files: TlsFiles, trusting: ssl.SSLContext, endpoint: str, version: ssl.TLSVersion
) -> None:
    held = Listening(TlsDoor(files), endpoint)
    trusting.minimum_version = trusting.maximum_version = version
    long = b"<13>" + b"x" * 40_000  # longer than a record
    try:
        with held.connect(trusting) as device:
            device.sendall(counted(b"<13>by count") + counted(long) + b"<13>by newline\n<13>cut")
        wait_for("all lines", lambda: len(held.collect()) == 4)
        assert held.lines == [b"<13>by count", long, b"<13>by newline", b"<13>cut"]
        assert not held.receiver.failures
    finally:
        held.end()


def test_a_stream_arrives_whole_and_in_order(listening: Listening, trusting: ssl.SSLContext) -> None:
    each = 50_000
    with listening.connect(trusting) as device:
        for first in range(0, each, 1000):
            device.sendall(b"".join(counted(b"<13>line %d" % n) for n in range(first, first + 1000)))
            listening.collect()
    wait_for("all lines", lambda: len(listening.collect()) == each)
    assert listening.lines == [b"<13>line %d" % n for n in range(each)]


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_openssl_is_understood(listening: Listening, files: TlsFiles) -> None:
    host, port = listening.receiver.address
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", str(files.certificate)]
    command += ["-verify_return_error", "-quiet", "-no_ign_eof"]
    subprocess.run(command, input=b"<13>from openssl\n", capture_output=True, timeout=20, check=True)
    wait_for("the line", lambda: listening.collect() == [b"<13>from openssl"])


RSYSLOG = """
global(workDirectory="{folder}" defaultNetstreamDriver="{driver}" defaultNetstreamDriverCAFile="{certificate}")
module(load="imfile" pollingInterval="1")
input(type="imfile" file="{folder}/lines" tag="gateway:")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" tcp_framing="octet-counted"
       streamDriver="{driver}" streamDriverMode="1" streamDriverAuthMode="x509/name" streamDriverPermittedPeers="localhost")
"""
MODULES = [Path(folder) for folder in os.environ.get("RSYSLOG_MODDIR", "").split(":") if folder]
MODULES += sorted(Path("/usr/lib").glob("**/rsyslog"))


@pytest.mark.parametrize("driver", ["gtls", "ossl"])
def test_rsyslog_is_understood(listening: Listening, files: TlsFiles, tmp_path: Path, driver: str) -> None:
    if not shutil.which("rsyslogd") or not any((one / f"lmnsd_{driver}.so").exists() for one in MODULES):
        pytest.skip(f"no rsyslog with {driver} here")
    (tmp_path / "lines").write_text("".join(f"line {n}\n" for n in range(500)))
    where = {"folder": tmp_path, "certificate": files.certificate, "port": listening.receiver.address[1]}
    (tmp_path / "rsyslog.conf").write_text(RSYSLOG.format(driver=driver, **where))
    command = ["rsyslogd", "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")]
    command += ["-M", ":".join(str(one) for one in MODULES)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as device:
        try:
            wait_for("all lines", lambda: sum(b"gateway:" in line for line in listening.collect()) == 500, 30)
        finally:
            device.terminate()
    assert [line.rpartition(b" line ")[2] for line in listening.lines if b"gateway:" in line] == [
        b"%d" % n for n in range(500)
    ]


def refused(held: Listening, context: ssl.SSLContext) -> None:
    """A connection that does not come about, or ends as soon as it does."""
    try:
        with held.connect(context) as device:
            device.settimeout(10)
            device.sendall(b"<13>never\n")
            assert device.recv(1) == b""
    except OSError:
        return


def test_a_device_that_does_not_trust_us_is_told_apart(listening: Listening) -> None:
    refused(listening, ssl.create_default_context())
    wait_for("the reason", lambda: listening.failed(Failure.DISTRUSTED) == 1)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_versions_that_are_too_old_are_told_apart(listening: Listening, files: TlsFiles) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(files.certificate)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    refused(listening, old)
    wait_for("the reason", lambda: listening.failed(Failure.VERSION) == 1)


def test_no_common_cipher_is_told_apart(listening: Listening, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")  # our key is no RSA key
    refused(listening, trusting)
    wait_for("the reason", lambda: listening.failed(Failure.CIPHER) == 1)


def test_plain_syslog_is_told_apart_and_never_read(listening: Listening) -> None:
    with listening.plain() as device:
        device.sendall(b"<13>in the clear\n")
        wait_for("the reason", lambda: listening.failed(Failure.PLAIN) == 1)
    assert listening.receiver.failures[Failure.PLAIN].source == "127.0.0.1"
    assert listening.collect() == []


def test_a_look_whether_the_port_is_open_is_no_failure(listening: Listening) -> None:
    listening.plain().close()
    time.sleep(0.3)
    assert not listening.receiver.failures


def test_only_devices_of_the_authorities_are_heard(files: TlsFiles, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    ours, others = Authority.make(tmp_path / "ours"), Authority.make(tmp_path / "others", "another")
    namesake = Authority.make(tmp_path / "namesake")
    held = Listening(TlsDoor(TlsFiles(files.certificate, files.key, ours.folder / "ca.pem")))

    def showing(path: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(files.certificate))
        context.load_cert_chain(path)
        return context

    try:
        refused(held, trusting)
        refused(held, showing(others.issue("stranger")))
        refused(held, showing(namesake.issue("stranger")))
        refused(held, showing(ours.issue("old", days=-1)))
        expected = {Failure.NO_CERTIFICATE: 1, Failure.UNKNOWN_AUTHORITY: 2, Failure.EXPIRED: 1}
        for why, times in expected.items():
            wait_for(why, lambda why=why, times=times: held.failed(why) == times)
        assert held.collect() == []
        with held.connect(showing(ours.issue("firewall"))) as device:
            device.sendall(b"<13>known\n")
            wait_for("the line", lambda: held.collect() == [b"<13>known"])
    finally:
        held.end()


def test_handshakes_that_stand_still_do_not_keep_others(
    listening: Listening, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 1.0)
    silent = [listening.plain() for _ in range(8)]
    for number, one in enumerate(silent):
        one.sendall(b"\x16\x03\x01\x02\x00\x01"[: 1 + number % 6])  # the beginning of a first record
    try:
        begun = time.monotonic()
        with listening.connect(trusting) as device:
            device.sendall(b"<13>through\n")
            wait_for("the line", lambda: listening.collect() == [b"<13>through"])
        assert time.monotonic() - begun < 1
        wait_for("all given up", lambda: listening.failed(Failure.SLOW) == 8)
        assert not listening.receiver._open
    finally:
        for one in silent:
            one.close()


def test_noise_on_the_port_harms_nobody(listening: Listening, trusting: ssl.SSLContext) -> None:
    chance = random.Random(6514)
    for _ in range(60):
        with listening.plain() as stranger:
            stranger.sendall(b"\x16" + chance.randbytes(chance.randrange(300)))
    with listening.connect(trusting) as device:
        device.sendall(b"<13>still here\n")
        wait_for("the line", lambda: listening.collect() == [b"<13>still here"])
    assert listening.receiver.alive


def test_a_new_certificate_is_used_without_a_restart(
    listening: Listening, files: TlsFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 0.0)
    old = ssl.create_default_context(cafile=str(files.certificate))
    with listening.connect(old) as before:
        new = certificate.make(tmp_path / "new", ["localhost"])
        new.key.replace(files.key)
        broken = listening.door.context()
        assert "cannot be used" in listening.door.trouble, "the key does not fit the certificate"
        new.certificate.replace(files.certificate)
        assert listening.door.context() is not broken
        assert listening.door.trouble == ""
        with listening.connect(ssl.create_default_context(cafile=str(files.certificate))) as after:
            after.sendall(b"<13>new\n")
            before.sendall(b"<13>old\n")
            wait_for("both lines", lambda: sorted(listening.collect()) == [b"<13>new", b"<13>old"])
    refused(listening, old)
    wait_for("the reason", lambda: listening.failed(Failure.DISTRUSTED) == 1)


def test_files_that_cannot_be_used_are_said(tmp_path: Path, files: TlsFiles) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.pem is not there") as said:
        TlsDoor(TlsFiles(tmp_path / "nothing.pem", files.key, None))
    assert "cyberalarm collector certificate" in said.value.next_step
    other = certificate.make(tmp_path / "other", ["localhost"])
    with pytest.raises(ConfigurationError, match="cannot be used: KEY_VALUES_MISMATCH"):
        TlsDoor(TlsFiles(files.certificate, other.key, None))
    (tmp_path / "words.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        TlsDoor(TlsFiles(tmp_path / "words.pem", files.key, None))


def test_the_end_of_the_certificate_is_known(files: TlsFiles) -> None:
    left = TlsDoor(files).expires - time.time()
    assert abs(left - certificate.LIFETIME.total_seconds()) < 3600


def test_a_certificate_is_made_once_and_shown_with_its_fingerprint(home: Home) -> None:
    def shown(*more: str) -> dict[str, object]:
        done = cyberalarm("collector", "certificate", *more, "--config", str(home.path), "--output", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    made = shown("collector.example", "192.0.2.5")
    pem = (home.data / "tls-certificate.pem").read_bytes()
    assert str(made["sha256"]).replace(":", "").lower() == certificate.pin(pem)
    assert (home.data / "tls-key.pem").stat().st_mode & 0o077 == 0
    assert made["made"]
    assert shown() == {**made, "made": False}
    assert shown("--new")["sha256"] != made["sha256"]


def test_a_certificate_of_ones_own_is_shown_and_never_made_over(home: Home, tmp_path: Path) -> None:
    paths = certificate.make(tmp_path / "own", ["collector.example"])
    own = Tls(certificate=str(paths.certificate), key=str(paths.key))
    config = home.config.model_copy(update={"tls": own})
    assert certificates.show(config, []).path == paths.certificate
    with pytest.raises(ConfigurationError, match="a certificate of your own"):
        certificates.show(config, [], new=True)
    home.path.write_text(home.path.read_text() + '[tls]\nkey = "only.pem"\n')
    with pytest.raises(ConfigurationError, match=r"key 'tls': certificate and key belong together"):
        _ = home.config


def test_doctor_tells_of_handshakes_and_of_the_end_of_the_certificate() -> None:
    now = time.time()

    def told(**note: object) -> list[tuple[str, str]]:
        state = State.model_validate(
            {
                "written": now, "started": now, "version": "0", "listening": {"udp": [], "tcp": []},
                "spool": {"waiting": 0, "bytes": 0, "limit": 1}, "held": False, "clock_ahead_ms": None, "devices": {},
                "shipping": {
                    "sent": 0, "rows": 0, "last_receipt": 0, "trouble_code": "", "trouble": "", "trouble_since": 0,
                },
                "tls": note,
            }
        )  # fmt: skip
        return [(one.verdict, one.found + one.next_step) for one in receiving_checks(state)]

    assert told() == []
    [(verdict, words)] = told(expires=now + 31 * 86_400)
    assert verdict == "good"
    [(verdict, words)] = told(expires=now + 29 * 86_400)
    assert (verdict, "expires on" in words) == ("attention", True)
    [(verdict, words)] = told(expires=now - 1)
    assert (verdict, "expired on" in words) == ("bad", True)
    plain = {"why": Failure.PLAIN.value, "times": 7, "source": "192.0.2.9", "last": now}
    [(verdict, words)] = told(expires=now + 90 * 86_400, failures=[plain])
    assert verdict == "attention"
    assert "7 handshakes failed, the last from 192.0.2.9" in words
    assert "plain syslog was sent to the TLS port" in words
    assert "Switch the device to TLS" in words
    assert [verdict for verdict, _ in told(expires=now + 1e7, trouble="The key does not fit.")] == ["bad"]


def test_every_failure_has_its_advice() -> None:
    assert set(ADVICE) == set(Failure)


def test_the_check_says_when_there_is_no_certificate(home: Home) -> None:
    home.path.write_text(home.path.read_text().replace("[networks]", 'tls = ["127.0.0.1:0"]\n[networks]'))
    [mistake] = checking.check(home.path).mistakes
    assert (mistake.key, "tls-certificate.pem is not there" in mistake.what) == ("listen.tls", True)
    certificates.show(home.config, ["collector.example"])
    assert not checking.check(home.path).mistakes
