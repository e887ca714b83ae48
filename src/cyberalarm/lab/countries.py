"""Where the lab's made-up Internet lies: a country for every network that its sources come from.

Sources are in 198.18.0.0/15 (RFC 2544 benchmarking, never routed) and 2001:db8:f000::/36 (RFC 3849). The last
octet says what an address is for, so that no visitor is ever also a scanner.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FILE = "countries.csv"

# Last octets by purpose.
NOISE = range(1, 128)
VISITORS = range(128, 200)
MAIL_SERVERS = range(200, 220)
SERVICES = range(220, 240)
SCRIPTED = range(240, 255)
VISITORS6 = "2001:db8:e000::"

# English short names (ISO 3166), as FortiGate writes them.
NAMES = {
    "AR": "Argentina",
    "BG": "Bulgaria",
    "BR": "Brazil",
    "CA": "Canada",
    "CN": "China",
    "DE": "Germany",
    "FR": "France",
    "GB": "United Kingdom",
    "HK": "Hong Kong",
    "ID": "Indonesia",
    "IE": "Ireland",
    "IN": "India",
    "IR": "Iran",
    "JP": "Japan",
    "KR": "Korea, Republic of",
    "MX": "Mexico",
    "NL": "Netherlands",
    "PL": "Poland",
    "RO": "Romania",
    "RU": "Russian Federation",
    "SE": "Sweden",
    "SG": "Singapore",
    "TR": "Turkey",
    "TW": "Taiwan",
    "UA": "Ukraine",
    "US": "United States",
    "VN": "Vietnam",
    "ZA": "South Africa",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A network of sources: the text before the last part of its addresses, and its country."""

    prefix: str
    country: str


def table() -> str:
    """The CSV text (header, then network,country), for a centre's `countries_extra`."""
    return files(__package__).joinpath(FILE).read_text("utf-8")


@cache
def _blocks() -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    four, six = [], []
    for row in table().splitlines()[1:]:
        network, country = row.split(",")
        if network.startswith(VISITORS6):
            continue
        if ":" in network:
            six.append(Block(network.removesuffix("/48"), country))
        else:
            four.append(Block(network.removesuffix("0/24"), country))
    return tuple(four), tuple(six)


@cache
def _by_prefix() -> dict[str, str]:
    return {b.prefix: b.country for b in _blocks()[0]}


@cache
def _of_country(country: str) -> tuple[Block, ...]:
    return tuple(b for b in _blocks()[0] if b.country == country)


def address(rng: Random, purpose: range, country: str = "") -> str:
    """A random IPv4 address for a purpose, in a country (ISO code) where one is named."""
    block = rng.choice(_of_country(country) if country else _blocks()[0])
    return block.prefix + str(rng.choice(purpose))


def address6(rng: Random) -> str:
    """A random IPv6 source address."""
    return rng.choice(_blocks()[1]).prefix + format(rng.randrange(1, 0xFFFF), "x")


def visitor6(rng: Random) -> str:
    """A random IPv6 address of a harmless visitor."""
    return f"{VISITORS6}{rng.randrange(1, 0xFFFF):x}"


def country_name(value: str) -> str:
    """The country that a FortiGate would write for an address; `Reserved` for what is nobody's."""
    code = _by_prefix().get(value[: value.rfind(".") + 1], "")
    return NAMES.get(code, "Reserved")
