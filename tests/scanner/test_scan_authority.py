"""No packet before authority: proven with listening sockets that count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.scanner.authority import PROOF_PATH, obtain_permit, proven_tiers
from cyberalarm.scanner.consent import (
    Consent,
    Tier,
    Window,
    check_token,
    load_consent,
    new_target,
    token_hash,
    withdraw,
)
from cyberalarm.scanner.errors import AuthorityError
from cyberalarm.scanner.networks import Lab
from cyberalarm.scanner.scan import Options, scan, scan_targets
from cyberalarm.scanner.targets import parse_target
from tests.scanner.scan_lab import MEMBER, NOW, answers, consent_for, http, lab_options, listening, say_nothing, says

if TYPE_CHECKING:
    from cyberalarm.core.addresses import Address

Write = Callable[[Consent], Path]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires": NOW - timedelta(minutes=1)}, "expired"),
        ({"expires": NOW + timedelta(days=800)}, "expired"),
        ({"accepted": NOW + timedelta(hours=1)}, "early"),
        ({"withdrawn": NOW}, "withdrawn"),
        ({"text_version": "1999-01"}, "text"),
    ],
)
def test_without_consent_in_force_not_one_packet(
    changes: dict[str, object], code: str, tmp_path: Path, write_consent: Write
) -> None:
    with listening(say_nothing, say_nothing) as (proof, service):
        target, _ = new_target(MEMBER, "127.0.0.1", ports=[service.port], web_ports=[], proof_port=proof.port)
        path = write_consent(consent_for(target, **changes))
        with pytest.raises(AuthorityError) as refused:
            scan_targets(path, tmp_path / "out", lab_options())
        assert refused.value.code == f"scanner.authority.{code}"
        assert (proof.connections, service.connections) == (0, 0)
    assert not (tmp_path / "out").exists()


def test_outside_the_window_not_one_packet(tmp_path: Path, write_consent: Write) -> None:
    window = Window(start=time(20, 0), end=time(6, 0))
    with listening(say_nothing) as (proof,):
        target, _ = new_target(MEMBER, "127.0.0.1", ports=[proof.port], proof_port=proof.port)
        path = write_consent(
            consent_for(
                target,
                window=window,
                accepted=datetime(2026, 1, 1, tzinfo=UTC),
                expires=datetime(2026, 12, 1, tzinfo=UTC),
            )
        )
        with pytest.raises(AuthorityError) as refused:
            scan_targets(path, tmp_path, lab_options(now=lambda: datetime(2026, 6, 1, 12, 0, tzinfo=UTC)))
        assert refused.value.code == "scanner.authority.window"
        assert proof.connections == 0


def test_window_knows_summer_time() -> None:
    window = Window(start=time(20, 0), end=time(6, 0))
    assert window.holds(datetime(2026, 7, 1, 19, 30, tzinfo=UTC))  # 20:30 in London
    assert not window.holds(datetime(2026, 1, 1, 19, 30, tzinfo=UTC))
    assert window.holds(datetime(2026, 1, 1, 3, 0, tzinfo=UTC))
    assert Window().holds(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))


WRONG_PROOFS = {
    "another code": http("0" * 32),
    "not found": http("", status="404 Not Found"),
    "not text": http("TOKEN", kind="text/html"),
    "no kind": b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\nTOKEN",
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/x\r\nContent-Length: 0\r\n\r\n",
    "elsewhere, disguised": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1@127.0.0.2/x\r\nContent-Length: 0\r\n\r\n",
    "round and round": f"HTTP/1.1 302 Found\r\nLocation: {PROOF_PATH}\r\nContent-Length: 0\r\n\r\n".encode(),
    "too long": http("TOKEN" + "x" * 500),
    "broken off": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9999\r\n\r\nTOKEN",
    "not http": b"220 hello\r\n",
    "nothing": b"",
    "binary": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", WRONG_PROOFS)
def test_without_proof_no_scan_packet(name: str, tmp_path: Path, write_consent: Write) -> None:
    target, token = new_target(MEMBER, "127.0.0.1", ports=[1], web_ports=[])
    with listening(answers(WRONG_PROOFS[name].replace(b"TOKEN", token.encode())), say_nothing) as (
        proof,
        service,
    ):
        target = target.model_copy(update={"ports": (service.port,), "proof_port": proof.port})
        result, files = scan_targets(write_consent(consent_for(target)), tmp_path / "out", lab_options())
        assert service.connections == 0
        assert 1 <= proof.connections <= 6
    assert not result.services
    assert result.targets[0].proved is None
    assert [n.what for n in result.not_tested if n.failed] == ["The whole target"]
    assert "no proof yet" in files.html.read_text("utf-8")


def test_the_right_proof_opens_the_door(write_consent: Write) -> None:
    target, token = new_target(MEMBER, "127.0.0.1", ports=[1], web_ports=[])
    with listening(answers(http(token + "\n")), says(b"SSH-2.0-OpenSSH_9.9\r\n")) as (proof, service):
        target = target.model_copy(update={"ports": (service.port,), "proof_port": proof.port})
        result = asyncio.run(scan(write_consent(consent_for(target)), lab_options()))
        assert (proof.connections, service.connections) == (1, 1)
    assert [s.protocol for s in result.services] == ["ssh"]


def test_redirect_on_the_same_host_is_followed(write_consent: Write) -> None:
    target, token = new_target(MEMBER, "127.0.0.1", ports=[1], web_ports=[])
    replies = [b"HTTP/1.1 301 Moved\r\nLocation: /moved.txt\r\nContent-Length: 0\r\n\r\n", http(token)]

    async def turn_by_turn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(replies.pop(0))
        await writer.drain()

    with listening(turn_by_turn) as (proof,):
        target = target.model_copy(update={"ports": (), "proof_port": proof.port})
        result = asyncio.run(scan(write_consent(consent_for(target)), lab_options()))
    assert result.targets[0].proved is not None


def test_loopback_without_lab_is_refused_before_the_proof(write_consent: Write) -> None:
    with listening(say_nothing) as (proof,):
        target, _ = new_target(MEMBER, "127.0.0.1", ports=[proof.port], proof_port=proof.port)
        result = asyncio.run(scan(write_consent(consent_for(target)), Options()))
        assert proof.connections == 0
    assert any("never scanned" in n.reason for n in result.not_tested)


def test_rebinding_name_never_moves_the_scan(write_consent: Write) -> None:
    """The name's second answer is another host; neither proof nor scan may go there."""
    target, token = new_target(MEMBER, "www.example.org", ports=[1], web_ports=[])
    asked: list[str] = []

    async def resolver(host: str) -> tuple[Address, ...]:
        asked.append(host)
        return (ip_address("127.0.0.1" if len(asked) == 1 else "127.0.0.2"),)

    with listening(answers(http(token)), says(b"SSH-2.0-OpenSSH_9.9\r\n")) as (proof, service):
        target = target.model_copy(update={"ports": (service.port,), "proof_port": proof.port})
        result = asyncio.run(scan(write_consent(consent_for(target)), lab_options(resolver=resolver)))
        assert service.connections == 1
    assert asked == ["www.example.org"]
    assert result.targets[0].address == "127.0.0.1"


def test_withdrawal_stops_a_running_scan(write_consent: Write) -> None:
    target, token = new_target(MEMBER, "127.0.0.1", ports=[1], web_ports=[])
    path: list[Path] = []

    async def withdraws(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        withdraw(path[0])
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await writer.drain()

    with listening(answers(http(token)), withdraws, withdraws, withdraws) as (proof, *services):
        ports = tuple(s.port for s in services)
        target = target.model_copy(update={"ports": ports, "proof_port": proof.port})
        path.append(write_consent(consent_for(target)))
        result = asyncio.run(scan(path[0], lab_options(at_once=1)))
        assert sum(s.connections for s in services) == 1
    assert any(n.what == "The rest of the target" and "withdrawn" in n.reason for n in result.not_tested)
    assert not result.complete


def test_token_is_bound_to_member_and_target() -> None:
    target, token = new_target(MEMBER, "www.example.org")
    check_token(consent_for(target), target, token)
    for member, host in (("m-other", "www.example.org"), (MEMBER, "mail.example.org")):
        other = target.model_copy(update={"host": host})
        with pytest.raises(AuthorityError):
            check_token(consent_for(other, member=member), other, token)
    with pytest.raises(AuthorityError):
        check_token(consent_for(target), target, target.token_hash)
    assert len(bytes.fromhex(token)) == 16
    assert token_hash("a", "bc", "t") != token_hash("ab", "c", "t")


def test_consent_file_holds_no_token_and_is_private(tmp_path: Path, write_consent: Write) -> None:
    target, token = new_target(MEMBER, "www.example.org")
    path = write_consent(consent_for(target))
    assert token not in path.read_text("utf-8")
    assert path.stat().st_mode & 0o077 == 0
    assert load_consent(path) == consent_for(target)


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"kind": "other"}', "\x00\xff"])
def test_broken_consent_names_the_file(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(broken, "utf-8")
    with pytest.raises(ConfigurationError, match=r"broken\.json"):
        load_consent(path)


def test_a_consent_cannot_name_an_odd_target(tmp_path: Path, write_consent: Write) -> None:
    target, _ = new_target(MEMBER, "www.example.org")
    record = json.loads(write_consent(consent_for(target)).read_text("utf-8"))
    record["targets"][0]["host"] = "0x7f.1"
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(record), "utf-8")
    with pytest.raises(ConfigurationError, match="host"):
        load_consent(path)


def test_tiers_decide_the_ports() -> None:
    target, _ = new_target(MEMBER, "www.example.org", ports=[22, 3306], web_ports=[80, 443])
    assert target.allowed_ports([Tier.WEB]) == {80, 443}
    assert target.allowed_ports([Tier.SERVICES]) == {22, 3306}
    assert target.allowed_ports(Tier) == {22, 80, 443, 3306}
    elsewhere = target.model_copy(update={"hosted_elsewhere": True, "web_ports": (80, 8080)})
    assert elsewhere.allowed_ports(Tier) == {80}


def test_faster_than_polite_is_for_the_lab(write_consent: Write) -> None:
    target, _ = new_target(MEMBER, "www.example.org")
    with pytest.raises(AuthorityError):
        asyncio.run(scan(write_consent(consent_for(target)), Options(rate=100)))


def test_a_proof_on_a_high_port_shows_nothing() -> None:
    """Anybody with an account on a shared machine can serve a file there; refused before any packet."""
    target, _ = new_target(MEMBER, "8.8.8.8", proof_port=8080)
    consent = consent_for(target)

    async def nobody(_host: str) -> list[str]:
        raise AssertionError("an address needs no look-up")

    with pytest.raises(AuthorityError) as refused:
        asyncio.run(obtain_permit(consent, target, resolver=nobody, lab=Lab(), now=lambda: NOW))
    assert refused.value.code == "scanner.authority.proof-port"


@pytest.mark.parametrize(
    ("host", "in_lab", "wanted"),
    [
        ("www.example.org", False, (Tier.WEB,)),
        ("198.51.100.7", False, (Tier.WEB, Tier.SERVICES)),
        ("2001:db8::7", False, (Tier.WEB, Tier.SERVICES)),
        ("www.example.org", True, (Tier.WEB, Tier.SERVICES)),
    ],
)
def test_a_name_proves_the_website_only(host: str, in_lab: bool, wanted: tuple[Tier, ...]) -> None:
    assert proven_tiers((Tier.WEB, Tier.SERVICES), parse_target(host), in_lab=in_lab) == wanted
