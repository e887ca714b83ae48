"""What may be scanned at all: notations, the deny list, resolution."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.scanner.errors import ProbeError, TargetRefusedError
from cyberalarm.scanner.networks import Lab, check_addresses, reason_denied
from cyberalarm.scanner.resolve import MOST_ANSWERS, resolve_once
from cyberalarm.scanner.targets import TargetName, parse_target

if TYPE_CHECKING:
    from cyberalarm.core.addresses import Address

NEVER = [
    "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "0.0.0.0", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "192.0.0.8", "::", "::1", "::7f00:1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:a00:1::1", "2001::1", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001:10::1", "2001:20::1", "4000::1",
]  # fmt: skip
ALLOWED = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "192.169.0.1",
    "2606:4700::1111",
    "2a00:1450::1",
    "2001:4860::1",
]

ODD = [
    "0177.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "1.2.3.4.", "１２７.0.0.1",
    "127。0。0。1", "[::1]", "::1%lo", "fe80::1%eth0", "2001:DB8:0::1", "0:0:0:0:0:0:0:1", "localhost",
    "printer.local", "router.lan", "x.internal", "host.test", "a..b", "-a.example.org", "a_b.example.org",
    "http://example.org", "example.org/", "example.org:80", "user@example.org", " example.org",
    "example.org\n", "", "exämple.org", "a" * 64 + ".org", "a.0x1f", "1.2.3.999",
]  # fmt: skip


@pytest.mark.parametrize("text", NEVER)
def test_never_scanned(text: str) -> None:
    assert reason_denied(ip_address(text))
    with pytest.raises(TargetRefusedError) as refused:
        check_addresses([ip_address(text)], Lab())
    assert refused.value.code == "scanner.target.denied"


@pytest.mark.parametrize("text", ALLOWED)
def test_public_addresses_are_not_denied(text: str) -> None:
    assert reason_denied(ip_address(text)) == ""


@pytest.mark.parametrize("text", ODD)
def test_odd_notations_are_refused(text: str) -> None:
    with pytest.raises(TargetRefusedError):
        parse_target(text)


def test_plain_targets() -> None:
    assert parse_target("WWW.Example.org") == TargetName("www.example.org", None)
    assert parse_target("xn--exmple-cua.org").address is None
    assert parse_target("8.8.8.8").address == ip_address("8.8.8.8")
    assert parse_target("2606:4700::1111").host == "2606:4700::1111"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except TargetRefusedError:
        return
    assert target.host.isascii()
    assert target.host == target.host.strip()


@given(st.ip_addresses())
def test_every_address_has_an_answer(address: Address) -> None:
    why = reason_denied(address)
    # Python's own opinion is weaker than ours, never stronger, on what it calls private.
    assert why or not address.is_private
    assert why or not (address.is_multicast or address.is_loopback or address.is_link_local)


def test_lab_is_loopback_and_listed_only() -> None:
    lab = Lab.of(["127.0.0.2"])
    check_addresses([ip_address("127.0.0.2")], lab)
    for other in ("127.0.0.1", "10.0.0.1", "8.8.8.8"):
        with pytest.raises(TargetRefusedError):
            check_addresses([ip_address(other)], lab)
    for bad in ("10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "here"):
        with pytest.raises(ConfigurationError):
            Lab.of([bad])


class Rebinding:
    """A name service that gives a harmless answer once, and loopback ever after."""

    def __init__(self, *answers: str) -> None:
        self.asked = 0
        self.answers = answers

    async def __call__(self, host: str) -> tuple[Address, ...]:
        self.asked += 1
        return (ip_address(self.answers[min(self.asked, len(self.answers)) - 1]),)


def test_resolves_once_and_keeps_the_checked_answer() -> None:
    resolver = Rebinding("8.8.8.8", "127.0.0.1")
    assert asyncio.run(resolve_once(parse_target("www.example.org"), resolver, Lab())) == ip_address("8.8.8.8")
    assert resolver.asked == 1


def test_one_bad_answer_spoils_all() -> None:
    async def mixed(_host: str) -> tuple[Address, ...]:
        return (ip_address("8.8.8.8"), ip_address("10.0.0.1"))

    with pytest.raises(TargetRefusedError):
        asyncio.run(resolve_once(parse_target("www.example.org"), mixed, Lab()))


def test_no_answer_and_too_many() -> None:
    async def none(_host: str) -> tuple[Address, ...]:
        return ()

    async def many(_host: str) -> tuple[Address, ...]:
        return tuple(ip_address(f"8.8.8.{n}") for n in range(MOST_ANSWERS + 1))

    for resolver in (none, many):
        with pytest.raises(ProbeError):
            asyncio.run(resolve_once(parse_target("www.example.org"), resolver, Lab()))
