"""The sieve's rules, read from data and handed to the kernel with the member's networks."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from cyberalarm._kernel import Sieve
from cyberalarm.core.addresses import PRIVATE_NETWORKS, network_range
from cyberalarm.core.known_sources import chosen
from cyberalarm.core.ports import risky_ports
from cyberalarm.formats.loader import schema_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.collector.config import CollectorConfig


class Rule(BaseModel):
    """One rule of `sieve_rules.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    outcome: Literal["kept", "routine", "internal", "outbound", "trusted"]
    sensor: list[str] = []
    action: list[str] = []
    direction: list[str] = []
    ports: Literal["risky"] | list[int] = []
    category: list[str] = []
    own_source: bool = False
    again: bool = False
    trusted_source: bool = False
    remembered_source: bool = False
    known_source: bool = False
    listed_source: bool = False


def bundled_rules() -> list[Rule]:
    """The rules that come with the program, in order."""
    table = tomllib.loads(files(__package__).joinpath("sieve_rules.toml").read_text("utf-8"))
    return [Rule.model_validate(row) for row in table["rule"]]


def _ranges(networks: list[str]) -> list[tuple[str, str]]:
    return [(f"{first:032x}", f"{last:032x}") for first, last in map(network_range, networks)]


def _understood(rule: Rule) -> bool:
    """A kernel that has no lists of sources would take a rule over them for one without conditions."""
    return hasattr(Sieve, "list_sources") or not (rule.known_source or rule.listed_source)


def build(config: CollectorConfig, listed: Sequence[tuple[str, str]] = ()) -> Sieve:
    """The kernel's sieve for a member's networks. `listed` are the centre's sources, as `Sieve.list_sources` takes them later."""
    rules = []
    for rule in filter(_understood, bundled_rules()):
        row = rule.model_dump()
        if rule.ports == "risky":
            row["ports"] = sorted(risky_ports())
        rules.append(row)
    return Sieve(
        json.dumps(
            {
                "schema": schema_spec(),
                "rules": rules,
                "home": _ranges([*PRIVATE_NETWORKS, *config.networks.own]),
                "trusted": _ranges(config.networks.trusted),
                "known": _ranges([str(net) for one in chosen(config.networks.known) for net in one.networks]),
                "listed": listed,
                "remember_ms": int(config.remember_hours * 3_600_000),
            }
        )
    )
