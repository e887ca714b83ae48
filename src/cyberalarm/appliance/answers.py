"""What the appliance must be told, by a person at its console or by a file: the same answers, with the same checks.

A file is TOML, named `setup.toml` on a set-up disk; docs/install-appliance.md explains each key. Everything but the token may be
left out.
"""

from __future__ import annotations

import re
import tomllib
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from cyberalarm.appliance.errors import SetupError
from cyberalarm.envelope.errors import TokenMalformed
from cyberalarm.envelope.tokens import RegistrationToken

MOST_BYTES = 65_536
_PROXY = re.compile(r"https?://[A-Za-z0-9._~%!$&'()*+,;=:@\[\]-]+", re.ASCII)


def checked_interface(text: str) -> str:
    """An address with its network's size, `192.168.1.50/24`."""
    try:
        found = ip_interface(text.strip())
    except ValueError as error:
        raise ValueError("write an address and its network's size, such as 192.168.1.50/24") from error
    if "/" not in text or _is_no_host(found):
        raise ValueError("write an address and its network's size, such as 192.168.1.50/24")
    return str(found)


def _is_no_host(found: IPv4Interface | IPv6Interface) -> bool:
    network = found.network
    ends = (network.network_address, network.broadcast_address) if network.num_addresses > 2 else ()
    return found.ip in ends or found.is_multicast or found.is_loopback or found.is_unspecified


def checked_address(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError as error:
        raise ValueError("write an address, such as 192.168.1.1") from error


def checked_gateway(text: str, interface: str) -> str:
    """A gateway that a machine with this address can reach by itself: one of its own network, or of its link (IPv6)."""
    gateway, own = ip_address(checked_address(text)), ip_interface(interface)
    beside = gateway.version == own.version == 6 and gateway.is_link_local
    if gateway == own.ip or not (beside or gateway in own.network):
        raise ValueError(f"the gateway is another machine of the network {own.network}; see your router's own address")
    return str(gateway)


def checked_network(text: str) -> str:
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError as error:
        raise ValueError("write an address or a network, such as 203.0.113.8 or 203.0.113.0/29") from error


def checked_proxy(text: str) -> str:
    text = text.strip()
    if text and not _PROXY.fullmatch(text):
        raise ValueError("write a proxy as http://proxy.example:3128")
    return text


def checked_token(text: str) -> str:
    try:
        return RegistrationToken.from_text(text).to_text()
    except TokenMalformed as error:
        raise ValueError(str(error)) from error


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FixedAddress(_Section):
    """An address of the machine's own, in place of one that the network gives."""

    address: Annotated[str, AfterValidator(checked_interface)]
    gateway: Annotated[str, AfterValidator(checked_address)]
    dns: list[Annotated[str, AfterValidator(checked_address)]] = Field(min_length=1, max_length=3)

    @field_validator("gateway")
    @classmethod
    def _is_reachable(cls, gateway: str, info: ValidationInfo) -> str:
        return checked_gateway(gateway, info.data["address"]) if "address" in info.data else gateway


class Answers(_Section):
    """`network` None: the network gives the address (DHCP)."""

    token: Annotated[str, AfterValidator(checked_token)] = Field(repr=False)
    proxy: Annotated[str, AfterValidator(checked_proxy)] = ""
    own: list[Annotated[str, AfterValidator(checked_network)]] = Field(default=[], max_length=256)
    network: FixedAddress | None = None


def read(content: bytes) -> Answers:
    """Answers from a set-up file. Raises SetupError naming the key; the words never hold the token."""
    if len(content) > MOST_BYTES:
        raise SetupError("The set-up file is too large.", next_step="Write it anew; a few lines are enough.")
    try:
        # Notepad begins UTF-8 files with a mark.
        return Answers.model_validate(tomllib.loads(content.decode("utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(
            "The set-up file is not valid TOML.", next_step='Texts stand in double quotes, such as token = "ca1.…".'
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise SetupError(f"The set-up file, key {key!r}: {said}.", next_step="Correct it, and start again.") from None
