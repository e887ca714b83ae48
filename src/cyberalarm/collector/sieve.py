"""The sieve's rules, read from data and handed to the kernel with the member's networks."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from cyberalarm._kernel import Sieve
from cyberalarm.core.addresses import PRIVATE_NETWORKS, network_range
from cyberalarm.core.known_sources import chosen
from cyberalarm.core.ports import risky_ports
from cyberalarm.formats.kernel_schema import schema_spec

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.listed_sources import Ranges


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
    held: bool = False


class Scanning(BaseModel):
    """How many ports or addresses one source is let in to, within minutes, before it counts as a scanner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ports: int = Field(ge=2)
    addresses: int = Field(ge=2)
    minutes: int = Field(ge=1)


def _table() -> dict[str, list[object]]:
    return tomllib.loads(files(__package__).joinpath("sieve_rules.toml").read_text("utf-8"))


def bundled_rules() -> list[Rule]:
    """The rules that come with the program, in order."""
    return [Rule.model_validate(row) for row in _table()["rule"]]


def scanning() -> Scanning:
    """What makes a source a scanner."""
    return Scanning.model_validate(_table()["scanning"])


def _ranges(networks: list[str]) -> list[tuple[str, str]]:
    return [(f"{first:032x}", f"{last:032x}") for first, last in map(network_range, networks)]


def build(config: CollectorConfig, listed: Ranges | None = None) -> Sieve:
    """The kernel's sieve for a member's networks. `listed` are the sources that the centre lists now."""
    rules = []
    for rule in bundled_rules():
        row = rule.model_dump()
        if rule.ports == "risky":
            row["ports"] = sorted(risky_ports())
        rules.append(row)
    scan = scanning()
    made = Sieve(
        json.dumps(
            {
                "schema": schema_spec(),
                "rules": rules,
                "home": _ranges([*PRIVATE_NETWORKS, *config.networks.own]),
                "trusted": _ranges(config.networks.trusted),
                "known": _ranges([str(net) for one in chosen(config.networks.known) for net in one.networks]),
                "remember_ms": int(config.remember_hours * 3_600_000),
                "scanning": {"ports": scan.ports, "addresses": scan.addresses, "ms": scan.minutes * 60_000},
            }
        )
    )
    if listed:
        made.list_sources(listed)
    return made
