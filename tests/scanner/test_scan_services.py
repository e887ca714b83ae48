"""Scans of real services and of decoys: what is there is found, what is not there is not."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rrset
import pytest

from cyberalarm.lab import decoys
from cyberalarm.scanner.consent import Consent, new_target
from cyberalarm.scanner.engines import probe as probe_engine
from cyberalarm.scanner.findings import Confidence, Severity
from cyberalarm.scanner.scan import scan_targets
from tests.scanner.scan_lab import MEMBER, answers, consent_for, http, lab_options, listening

if TYPE_CHECKING:
    from cyberalarm.scanner.result import ScanResult

Write = Callable[[Consent], Path]


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(*command: str, port: int) -> Iterator[None]:
    """A real service, started here and stopped by its own process id."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(200):
            if running.poll() is not None:
                pytest.fail(f"{command[0]} ended: {running.stderr.read().decode() if running.stderr else ''}")
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            pytest.fail(f"{command[0]} does not listen")
        yield
    finally:
        running.terminate()
        running.wait(10)
        if running.stderr:
            running.stderr.close()


def scanned(write_consent: Write, out: Path, *ports: int, proof: int | None = None) -> ScanResult:
    """Scan loopback ports; the proof comes from a server of ours unless a port is named."""
    target, token = new_target(MEMBER, "127.0.0.1", ports=ports, web_ports=[])
    with listening(answers(http(token))) as (ours,):
        target = target.model_copy(update={"proof_port": proof or ours.port})
        return scan_targets(write_consent(consent_for(target)), out, lab_options())[0]


def cves(result: ScanResult, *confidences: Confidence) -> set[str]:
    return {c for f in result.findings if f.confidence in confidences for c in f.cves}


def test_patched_debian_openssh_is_not_called_vulnerable(tmp_path: Path, write_consent: Write) -> None:
    sshd = program("sshd", "openssh-server")
    key, port = tmp_path / "host_key", free_port()
    subprocess.run(
        [program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True
    )
    Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
    config = tmp_path / "sshd_config"
    config.write_text(f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM no\nStrictModes no\n")
    with process(sshd, "-D", "-e", "-f", str(config), port=port):
        result = scanned(write_consent, tmp_path / "out", port)
    (service,) = result.services
    (identity,) = service.identities
    assert (service.protocol, identity.product) == ("ssh", "openssh")
    assert re.match(r"[0-9]+\.[0-9]+", identity.version)
    assert cves(result, Confidence.CONFIRMED, Confidence.FIRM) == set()
    if identity.distribution in {"debian", "ubuntu"} and identity.version == "9.2p1":
        assert "CVE-2024-6387" not in cves(result, *Confidence)
        assert [r.cve for r in result.ruled_out] == ["CVE-2024-6387"]


def test_nginx_with_its_own_proof_file(tmp_path: Path, write_consent: Write) -> None:
    nginx, port = program("nginx", "nginx-light"), free_port()
    target, token = new_target(MEMBER, "127.0.0.1", ports=[port], web_ports=[port], proof_port=port)
    known = tmp_path / "site" / ".well-known"
    known.mkdir(parents=True)
    (known / "cyberalarm-verification.txt").write_text(token + "\n")
    (tmp_path / "site" / "index.html").write_text("hello")
    config = tmp_path / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user}daemon off;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        "http { types { text/plain txt; text/html html; }\n"
        f"access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;\n"
        f"uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        f"server {{ listen 127.0.0.1:{port}; root {tmp_path}/site; }} }}\n"
    )
    with process(nginx, "-c", str(config), "-p", str(tmp_path), "-e", "stderr", port=port):
        result, files = scan_targets(write_consent(consent_for(target)), tmp_path / "out", lab_options())
    (service,) = result.services
    assert [(i.title, bool(i.version)) for i in service.identities] == [("nginx", True)]
    assert cves(result, Confidence.CONFIRMED, Confidence.FIRM) == set()
    assert files.html.is_file()


def test_lighttpd(tmp_path: Path, write_consent: Write) -> None:
    lighttpd, port = program("lighttpd", "lighttpd"), free_port()
    (tmp_path / "site").mkdir()
    config = tmp_path / "lighttpd.conf"
    config.write_text(f'server.document-root = "{tmp_path}/site"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n')
    with process(lighttpd, "-D", "-f", str(config), port=port):
        result = scanned(write_consent, tmp_path / "out", port)
    (service,) = result.services
    assert [i.title for i in service.identities] == ["lighttpd"]
    assert cves(result, Confidence.CONFIRMED, Confidence.FIRM) == set()


def test_vsftpd(tmp_path: Path, write_consent: Write) -> None:
    vsftpd, port = program("vsftpd", "vsftpd"), free_port()
    if os.geteuid() != 0:
        pytest.skip("vsftpd starts as root only")
    empty = tmp_path / "empty"
    empty.mkdir()
    config = tmp_path / "vsftpd.conf"
    config.write_text(
        f"listen=YES\nlisten_port={port}\nlisten_address=127.0.0.1\nbackground=NO\nsecure_chroot_dir={empty}\n"
    )
    config.chmod(0o600)
    with process(vsftpd, str(config), port=port):
        result = scanned(write_consent, tmp_path / "out", port)
    (service,) = result.services
    assert [(i.title, i.version[:1]) for i in service.identities] == [("vsftpd", "3")]
    assert "CVE-2011-2523" not in cves(result, *Confidence)
    assert [f.check for f in result.findings if f.confidence is Confidence.CONFIRMED] == ["clear-text-ftp"]


def test_redis_open_to_all(tmp_path: Path, write_consent: Write) -> None:
    redis, port = program("redis-server", "redis-server"), free_port()
    with process(redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path), port=port):
        result = scanned(write_consent, tmp_path / "out", port)
    (service,) = result.services
    assert [(i.title, bool(i.version)) for i in service.identities] == [("Redis", True)]
    worst = result.findings[0]
    assert (worst.check, worst.severity, worst.confidence) == (
        "open-without-password",
        Severity.CRITICAL,
        Confidence.CONFIRMED,
    )
    assert "CVE-2022-0543" not in cves(result, *Confidence)


def test_demonstration_decoys(tmp_path: Path, write_consent: Write) -> None:
    target, token = new_target(MEMBER, "127.0.0.1")
    website, *others = decoys.demonstration()
    assert isinstance(website, decoys.WebDecoy)
    with decoys.running([replace(website, token=token), *others]) as places:
        ports = tuple(p.port for p in places)
        target = target.model_copy(update={"ports": ports, "web_ports": ports[:1], "proof_port": ports[0]})
        result, files = scan_targets(write_consent(consent_for(target)), tmp_path / "out", lab_options())
    assert cves(result, Confidence.FIRM) == {"CVE-2021-41773", "CVE-2021-42013", "CVE-2024-6387"}
    assert cves(result, Confidence.PROBABLE) == {"CVE-2011-2523", "CVE-2019-10149", "CVE-2018-6789"}
    on_port = {f.port for f in result.findings if "CVE-2024-6387" in f.cves}
    names = {p.port: p.decoy.name for p in places}
    assert [names[p] for p in on_port] == ["remote shell, old package"]
    assert [names[r.port] for r in result.ruled_out] == ["remote shell, repaired package"]
    assert result.lab
    assert "LAB" in files.html.read_text("utf-8")
    assert result.targets[0].connections == len(ports)


def test_decoys_stay_on_loopback_and_say_what_they_are() -> None:
    with decoys.running(decoys.demonstration()) as places:
        assert all(ip_address(p.address).is_loopback for p in places)
        with socket.create_connection((places[0].address, places[0].port), timeout=10) as web:
            web.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            reply = b"".join(iter(lambda: web.recv(4096), b""))
        assert b"stub of the CyberAlarm lab" in reply
    with pytest.raises(ValueError, match="loopback"), decoys.running(decoys.demonstration(), "192.0.2.1"):
        pass


def test_name_server_version(tmp_path: Path, write_consent: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    async def name_server(reader: object, writer: object) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")  # type: ignore[attr-defined]
        question = dns.message.from_wire(await reader.readexactly(size))  # type: ignore[attr-defined]
        reply = dns.message.make_response(question)
        reply.answer.append(dns.rrset.from_text("version.bind.", 0, "CH", "TXT", '"9.18.49-1~deb12u3-Debian"'))
        wire = reply.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)  # type: ignore[attr-defined]
        await writer.drain()  # type: ignore[attr-defined]

    with listening(name_server) as (server,):
        monkeypatch.setattr(probe_engine, "DNS_PORT", server.port)
        result = scanned(write_consent, tmp_path / "out", server.port)
    assert [(i.name, i.revision) for s in result.services for i in s.identities] == [
        ("BIND 9.18.49", "9.18.49-1~deb12u3")
    ]


def test_nothing_there_is_not_clean(tmp_path: Path, write_consent: Write) -> None:
    closed = free_port()
    target, token = new_target(MEMBER, "127.0.0.1", ports=[closed], web_ports=[])
    with listening(answers(http(token))) as (ours,):
        target = target.model_copy(update={"proof_port": ours.port})
        result, files = scan_targets(write_consent(consent_for(target)), tmp_path / "out", lab_options())
    assert (result.targets[0].closed_ports, result.services) == (1, ())
    assert "could not see your systems" in files.html.read_text("utf-8")
