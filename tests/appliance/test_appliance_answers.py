"""What the appliance is told, and the texts that it becomes."""

from __future__ import annotations

import tomllib
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.appliance import answers, writing
from cyberalarm.appliance.errors import SetupError
from cyberalarm.collector import config as configuration
from cyberalarm.envelope.tokens import RegistrationToken
from tests.collector.processes import ROOT

NEAR = st.ip_addresses(network="198.18.0.0/15")
TOKEN = RegistrationToken.new("https://centre.example", "ab" * 32, "C-EXAMPLE").to_text()
DELIVERED = (ROOT / "deploy" / "collector" / "collector.toml").read_text("utf-8")
NETWORKS = st.lists(st.ip_addresses(network="198.18.0.0/15").map(lambda one: f"{one}/32"), max_size=5)


def test_a_file_with_a_token_only_is_enough() -> None:
    given = answers.read(f'token = "{TOKEN}"'.encode())
    assert (given.token, given.proxy, given.own, given.network) == (TOKEN, "", [], None)


def test_a_file_from_notepad_is_read() -> None:
    text = f'\ufefftoken = "{TOKEN}"\r\nown = ["203.0.113.9"]\r\n[network]\r\naddress = "192.168.1.5/24"\r\n'
    found = answers.read(f'{text}gateway = "192.168.1.1"\r\ndns = ["192.168.1.1"]\r\n'.encode())
    assert found.own == ["203.0.113.9/32"]
    assert found.network is not None
    assert found.network.address == "192.168.1.5/24"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'token = "{TOKEN[:-2]}"', "cut off"),
        ("", "token"),
        (f'token = "{TOKEN}"\nproxy = "proxy.example"', "http://proxy.example:3128"),
        (f'token = "{TOKEN}"\nown = ["somewhere"]', "203.0.113.0/29"),
        (f'token = "{TOKEN}"\nextra = 1', "extra"),
        (
            f'token = "{TOKEN}"\n[network]\naddress = "192.168.1.0/24"\ngateway = "192.168.1.1"\ndns = ["1.1.1.1"]',
            "/24",
        ),
        (
            f'token = "{TOKEN}"\n[network]\naddress = "192.168.1.5/24"\ngateway = "192.168.2.1"\ndns = ["1.1.1.1"]',
            "another machine of the network 192.168.1.0/24",
        ),
        (f"token = {TOKEN}", "double quotes"),
        ("#" * 70_000, "too large"),
    ],
)
def test_what_is_wrong_is_said_and_the_token_is_not(text: str, named: str) -> None:
    with pytest.raises(SetupError) as told:
        answers.read(text.encode())
    assert named in str(told.value)
    assert TOKEN[5:40] not in str(told.value)
    assert TOKEN[5:40] not in repr(told.value.__cause__)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(SetupError) as told:
        answers.read(content)
    assert told.value.next_step


@given(NETWORKS, st.sampled_from(["", "http://proxy.example:3128", "https://[2001:db8::1]:8080"]))
def test_the_delivered_configuration_takes_every_answer_and_keeps_its_comments(own: list[str], proxy: str) -> None:
    text = writing.with_own_networks(writing.with_proxy(DELIVERED, proxy), own)
    found = configuration.CollectorConfig.model_validate(tomllib.loads(text))
    assert (found.networks.own, found.proxy) == (own, proxy)
    assert text.count("#") in {DELIVERED.count("#"), DELIVERED.count("#") - 1}
    assert writing.with_own_networks(writing.with_proxy(text, proxy), own) == text


@given(NETWORKS)
def test_other_sections_and_an_empty_file_do_too(own: list[str]) -> None:
    for text in ("", "[listen]\nudp = []\n", '[networks]\ntrusted = []\n[listen]\ntcp = ["0.0.0.0:5"]\n'):
        found = tomllib.loads(writing.with_proxy(writing.with_own_networks(text, own), "http://p.example"))
        assert found.pop("proxy") == "http://p.example"
        assert found["networks"].pop("own") == own
        before = tomllib.loads(text)
        assert {**found, "networks": found["networks"]} == {"networks": {}, **before}


def test_a_configuration_that_is_written_otherwise_is_refused_and_not_broken() -> None:
    with pytest.raises(SetupError, match=r"networks\.own"):
        writing.with_own_networks('[networks]\nown = [\n  "203.0.113.0/29",\n]\n', ["203.0.113.9"])


@given(NEAR, NEAR, st.integers(15, 30))
def test_a_gateway_is_another_machine_of_the_same_network(own: IPv4Address, gateway: IPv4Address, size: int) -> None:
    if gateway != own and gateway in ip_network(f"{own}/{size}", strict=False):
        assert answers.checked_gateway(f" {gateway}", f"{own}/{size}") == str(gateway)
    else:
        with pytest.raises(ValueError, match="another machine of the network"):
            answers.checked_gateway(str(gateway), f"{own}/{size}")


def test_routers_of_ipv6_are_often_named_by_their_link() -> None:
    assert answers.checked_gateway("fe80::1", "2001:db8::5/64") == "fe80::1"


def test_a_fixed_address_becomes_the_networks_file() -> None:
    fixed = answers.FixedAddress(address="192.168.1.50/24", gateway="192.168.1.1", dns=["192.168.1.1", "9.9.9.9"])
    text = writing.network_file(fixed)
    assert "Address=192.168.1.50/24\nGateway=192.168.1.1\nDNS=192.168.1.1\nDNS=9.9.9.9\n" in text
