"""Sources on the Internet that say who they are and what for, read from `known_sources.toml`.

What is done with them is decided elsewhere; nothing is trusted for standing here. `faults` is the file's linter.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from ipaddress import collapse_addresses, ip_network
from itertools import pairwise
from typing import TYPE_CHECKING

from cyberalarm.core.addresses import network_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyberalarm.core.addresses import Network

# The widest network that is believed: what an operator of this kind is given at once. IPv6: the registries' usual allocation.
_WIDEST = {4: 16, 6: 29}
_KEYS = {"name", "title", "kind", "does", "origin", "copy", "checked", "networks"}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Kind(StrEnum):
    SEARCH = "search"
    RESEARCH = "research"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class Operator:
    """`origin` is where the operator says it, `copy` what the networks were taken from, `dated` by its own word."""

    name: str
    title: str
    kind: Kind
    does: str
    origin: str
    copy: str
    dated: date | None
    checked: date
    networks: tuple[Network, ...]


@cache
def operators() -> dict[str, Operator]:
    """All operators by name, in the order of the file."""
    table = tomllib.loads(_text())
    return {row["name"]: _operator(row) for row in table["operator"]}


def _text() -> str:
    return files(__package__).joinpath("known_sources.toml").read_text("utf-8")


def _operator(row: dict[str, object]) -> Operator:
    listed, dated = row["networks"], row.get("dated")
    if not isinstance(listed, list) or not isinstance(row["checked"], date) or not isinstance(dated, date | None):
        raise TypeError("networks are a list, dates are dates")
    texts = {key: str(row[key]) for key in ("name", "title", "does", "origin", "copy")}
    networks = tuple(ip_network(text) for text in listed)
    return Operator(**texts, kind=Kind(str(row["kind"])), dated=dated, checked=row["checked"], networks=networks)


def chosen(words: Iterable[str]) -> tuple[Operator, ...]:
    """The operators that kinds and names stand for, each once. Raises ValueError for a word that is neither."""
    wanted = set(words)
    unknown = wanted - set(Kind) - set(operators())
    if unknown:
        raise ValueError(
            f"{min(unknown)!r} is neither a kind ({', '.join(Kind)}) nor an operator; `cyberalarm collector trusted` lists them"
        )
    return tuple(one for one in operators().values() if {one.name, one.kind} & wanted)


@cache
def _ranges() -> tuple[list[int], list[tuple[int, Operator]]]:
    """First addresses in order, and with each the last one and whose it is."""
    found = sorted((*network_range(net), one.name) for one in operators().values() for net in one.networks)
    return [first for first, _, _ in found], [(last, operators()[name]) for _, last, name in found]


def operator_of(address: bytes) -> Operator | None:
    """Whose an address (16 bytes) is; None where nobody here has it."""
    value = int.from_bytes(address)
    firsts, ends = _ranges()
    at = bisect_right(firsts, value) - 1
    return ends[at][1] if at >= 0 and value <= ends[at][0] else None


def faults(text: str | None = None) -> list[str]:
    """What is wrong with the file, or with a text in its place; empty when nothing is."""
    try:
        rows = tomllib.loads(_text() if text is None else text)["operator"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        return [f"not a list of operators: {error}"]
    found = [f"{row.get('name', '?')}: {fault}" for row in rows for fault in _faults_of(row)]
    if found:
        return found
    read = [_operator(row) for row in rows]
    order = [(list(Kind).index(one.kind), one.name) for one in read]
    found += [f"{later[1]}: stands after {before[1]}" for before, later in pairwise(order) if later <= before]
    ranges = sorted((*network_range(net), one.name, str(net)) for one in read for net in one.networks)
    # Within one operator nothing overlaps, so of two that do, one comes right after the other.
    found += [f"{b[2]}: {b[3]} is also {a[2]}'s" for a, b in pairwise(ranges) if b[0] <= a[1]]
    return found


def _faults_of(row: dict[str, object]) -> Iterator[str]:
    if not _KEYS <= set(row) <= _KEYS | {"dated"}:
        yield f"has the keys {sorted(row)}"
        return
    if not _NAME.fullmatch(str(row["name"])) or row["name"] in set(Kind):
        yield "its name is none"
    if row["kind"] not in set(Kind):
        yield f"{row['kind']!r} is no kind"
    if not str(row["does"]).endswith(".") or not row["title"]:
        yield "what it does is one sentence"
    if not str(row["origin"]).startswith("https://"):
        yield "its origin is no https address"
    if not str(row["copy"]).startswith(("https://", "http://")):
        yield "its copy is no address"
    if not all(type(row.get(key, row["checked"])) is date for key in ("checked", "dated")):
        yield "a date is none"
    networks = row["networks"]
    if not isinstance(networks, list) or not networks:
        yield "has no networks"
        return
    try:
        yield from _network_faults([ip_network(text) for text in networks])
    except ValueError as error:
        yield str(error)


def _network_faults(networks: list[Network]) -> Iterator[str]:
    for net in networks:
        if not net.is_global or net.is_multicast:
            yield f"{net} is not on the Internet"
        if net.prefixlen < _WIDEST[net.version]:
            yield f"{net} is wider than /{_WIDEST[net.version]}"
    halves = ([n for n in networks if n.version == 4], [n for n in networks if n.version == 6])
    joined: list[Network] = [*collapse_addresses(halves[0]), *collapse_addresses(halves[1])]
    if networks != joined:
        yield "its networks are not in order, or overlap, or could be joined"
