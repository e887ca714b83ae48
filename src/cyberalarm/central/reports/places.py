"""The country that an address belongs to, by look-up in a local database. Nothing is asked of the network.

Order: the operator's extra networks, then the database, then unknown. An address that only exists inside a
network, or none at all, has no country. A missing database makes every country unknown and is never an error;
a wrong path that the operator wrote is one.

The database may be any MMDB whose records name an ISO 3166-1 alpha-2 code as `country.iso_code`,
`country_code` or `country`.
"""

from __future__ import annotations

import csv
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Self

import maxminddb

from cyberalarm.core.addresses import PRIVATE_NETWORKS, NetworkSet, network_range, unpack
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = ""
HOME = "GB"

_PRIVATE = NetworkSet(PRIVATE_NETWORKS)


@cache
def country_names() -> Mapping[str, str]:
    """English names by ISO code."""
    return dict(tomllib.loads(files(__package__).joinpath("countries.toml").read_text("utf-8")))


def country_name(code: str) -> str:
    """A country in words; "Not known" for an unknown one."""
    if code == UNKNOWN:
        return "Not known"
    return country_names().get(code, f"Code {code}")


def is_private(raw: bytes) -> bool:
    """Whether 16 address bytes only have a meaning inside some network."""
    return raw in _PRIVATE


@dataclass(frozen=True, slots=True)
class _Extra:
    first: int
    last: int
    code: str


def _read_extra(path: Path) -> list[_Extra]:
    """Read rows of network,code. Raises ConfigurationError naming file and line."""
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines), 1):
                if not row or row[0].startswith("#") or row == ["network", "country"]:
                    continue
                rows.append(_extra_row(row, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error}.", next_step="Check the key countries_extra."
        ) from error
    return rows


def _extra_row(row: list[str], where: str) -> _Extra:
    if len(row) < 2 or row[1].strip().upper() not in country_names():
        raise ConfigurationError(f"{where}: not a network and a two-letter country code.")
    try:
        first, last = network_range(ip_network(row[0].strip(), strict=False))
    except ValueError as error:
        raise ConfigurationError(f"{where}: {row[0]!r} is not a network.") from error
    return _Extra(first, last, row[1].strip().upper())


class Places:
    """Countries by address. Look-ups are safe from several threads."""

    __slots__ = ("_codes", "_reader", "_starts")

    def __init__(self, database: Path | None = None, extra: Path | None = None) -> None:
        self._reader = _open(database) if database else None
        self._starts, self._codes = _flatten(_read_extra(extra) if extra else [])

    @classmethod
    def configured(cls, database: str, extra: str) -> Self:
        """Places as the operator's configuration says; the bundled database when it names none."""
        bundled = Path(str(files("cyberalarm.core").joinpath("countries.mmdb")))
        chosen = Path(database) if database else (bundled if bundled.exists() else None)
        return cls(chosen, Path(extra) if extra else None)

    @property
    def knows_countries(self) -> bool:
        """Whether there is anything to look up in."""
        return self._reader is not None or bool(self._starts)

    def country(self, raw: bytes) -> str:
        """ISO code of the country of 16 address bytes; empty where it is not known."""
        at = bisect_right(self._starts, int.from_bytes(raw)) - 1
        if at >= 0 and self._codes[at]:
            return self._codes[at]
        if self._reader is None or is_private(raw) or not any(raw):
            return UNKNOWN
        address = unpack(raw)
        if address.version == 6 and self._reader.metadata().ip_version == 4:
            return UNKNOWN
        return _code(self._reader.get(str(address)))


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(str(path))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigurationError(
            f"{path}: not a country database: {error}.", next_step="Check the key country_database."
        ) from error


def _code(record: object) -> str:
    """The ISO code in a database record of any of the known shapes."""
    if not isinstance(record, dict):
        return UNKNOWN
    country = record.get("country")
    found = country.get("iso_code") if isinstance(country, dict) else record.get("country_code", country)
    return found if isinstance(found, str) and found in country_names() else UNKNOWN


def _flatten(extra: list[_Extra]) -> tuple[list[int], list[str]]:
    """Turn nested networks into adjoining ranges in which the narrowest network has won."""
    edges = sorted({edge for e in extra for edge in (e.first, e.last + 1)})
    codes = [UNKNOWN] * len(edges)
    for row in sorted(extra, key=lambda e: e.last - e.first, reverse=True):
        for at in range(bisect_right(edges, row.first) - 1, bisect_right(edges, row.last)):
            codes[at] = row.code
    return edges, codes
