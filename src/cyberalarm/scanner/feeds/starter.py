"""The starter set: a few dozen well-known vulnerabilities as facts in our own words (`starter.toml`).

It lets a new installation show real findings before a feed is imported. It is never enough to call a host
clean, and every report that rests on it alone says so.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from importlib.resources import files

from cyberalarm.scanner.configurations import Configuration, Criterion, Node
from cyberalarm.scanner.cpe import Cpe
from cyberalarm.scanner.feeds.vulnerability import DistributionFix, Exploited, FeedInfo, Vulnerability

NAME = "starter"
NOTE = "starter set, not a complete feed"


@cache
def read_starter() -> tuple[tuple[Vulnerability, ...], dict[str, Exploited], FeedInfo]:
    raw = files(__package__).joinpath("starter.toml").read_bytes()
    table = tomllib.loads(raw.decode("utf-8"))
    items = []
    exploited = {}
    for row in table["vulnerability"]:
        if "exploited" in row:
            entry = row["exploited"]
            exploited[row["cve"]] = Exploited(entry["added"], entry["due"], entry.get("ransomware", False))
        items.append(
            Vulnerability(
                cve=row["cve"],
                source=NAME,
                title=row["title"],
                status="",
                published=row["published"],
                vector=row["cvss"],
                fixed_in=row["fixed"],
                advice=row["advice"],
                condition=row.get("condition", ""),
                configurations=(_configuration(row),),
                fixes=tuple(DistributionFix(*fix) for fix in row.get("distribution_fixes", ())),
            )
        )
    digest = hashlib.sha256(raw).hexdigest()
    info = FeedInfo(NAME, table["dated"], table["dated"], digest, len(items), NOTE)
    return tuple(items), exploited, info


def _configuration(row: dict[str, object]) -> Configuration:
    vendor, product = str(row["product"]).split(":")
    target = str(row.get("platform", "*"))
    ranges = row["ranges"]
    if not isinstance(ranges, list):
        raise TypeError(f"starter.toml: {row['cve']}: ranges must be a list")
    return Configuration(
        all_of=False,
        negate=False,
        nodes=(Node(False, False, tuple(_criterion(vendor, product, target, r) for r in ranges)),),
    )


def _criterion(vendor: str, product: str, target: str, bounds: dict[str, str]) -> Criterion:
    unknown = set(bounds) - {"is", "from", "through", "before"}
    if unknown or not bounds:
        raise ValueError(f"starter.toml: a range with {sorted(unknown) or 'nothing'}")
    return Criterion(
        cpe=Cpe("a", vendor, product, bounds.get("is", "*"), "*" if "is" not in bounds else "-", target),
        vulnerable=True,
        start=bounds.get("from"),
        end=bounds.get("before") or bounds.get("through"),
        end_open="before" in bounds,
    )
