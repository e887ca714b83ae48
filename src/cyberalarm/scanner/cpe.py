"""Product names as vulnerability data writes them: CPE 2.3 (NISTIR 7695) and the aliases between them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_COLON = re.compile(r"(?<!\\):")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Cpe:
    """The fields of a CPE that matching uses. `*` is any, `-` is not applicable; they are not the same."""

    part: str
    vendor: str
    product: str
    version: str
    update: str
    target_sw: str


def parse_cpe(text: str) -> Cpe:
    """Read a formatted string such as `cpe:2.3:a:vendor:product:1.0:*:…`.

    Raises ValueError on anything else.
    """
    fields = _COLON.split(text)
    if len(fields) != 13 or fields[:2] != ["cpe", "2.3"] or fields[2] not in {"a", "o", "h"}:
        raise ValueError("not a CPE 2.3 name")
    part, vendor, product, version, update = (_ESCAPE.sub(r"\1", f).lower() for f in fields[2:7])
    if not vendor or not product:
        raise ValueError("a CPE without vendor or product")
    return Cpe(part, vendor, product, version, update, _ESCAPE.sub(r"\1", fields[10]).lower())


@cache
def _groups() -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    table = tomllib.loads(files(__package__).joinpath("aliases.toml").read_text("utf-8"))
    found: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for row in table["same"]:
        names = tuple((n.split(":")[0], n.split(":")[1]) for n in row["names"])
        for name in names:
            if name in found:
                raise ValueError(f"aliases.toml names {':'.join(name)} twice")
            found[name] = names
    return found


def all_names(vendor: str, product: str) -> tuple[tuple[str, str], ...]:
    """Every (vendor, product) that stands for the same thing, the shown one first."""
    name = (vendor.lower(), product.lower())
    return _groups().get(name, (name,))


def same_product(vendor: str, product: str, other: Cpe) -> bool:
    return (other.vendor, other.product) in all_names(vendor, product)
