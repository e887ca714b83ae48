"""Forces, regions and the scope of what somebody may see.

Every query that reads members' data takes a `Scope`. There is no default scope and no way to write "all" by
leaving it out: national sight is a scope like any other, and has to be named.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Force:
    code: str
    name: str
    region: str


@dataclass(frozen=True, slots=True)
class Region:
    code: str
    name: str
    unit: str
    forces: tuple[Force, ...]


@cache
def regions() -> dict[str, Region]:
    """All regions by code, in the order of the file."""
    table = tomllib.loads(files(__package__).joinpath("places.toml").read_text("utf-8"))
    found = {}
    for row in table["region"]:
        forces = tuple(Force(f["code"], f["name"], row["code"]) for f in row["forces"])
        found[row["code"]] = Region(row["code"], row["name"], row["unit"], forces)
    return found


@cache
def forces() -> dict[str, Force]:
    """All forces by code."""
    return {f.code: f for r in regions().values() for f in r.forces}


class Level(StrEnum):
    MEMBER = "member"
    FORCE = "force"
    REGION = "region"
    NATIONAL = "national"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data somebody may see. Make one with `of_member`, `of_force`, `of_region` or `national`."""

    level: Level
    member: int | None = None
    code: str = ""

    @classmethod
    def of_member(cls, member: int) -> Scope:
        return cls(Level.MEMBER, member=member)

    @classmethod
    def of_force(cls, code: str) -> Scope:
        if code not in forces():
            raise ValueError(f"there is no force with the code {code!r}")
        return cls(Level.FORCE, code=code)

    @classmethod
    def of_region(cls, code: str) -> Scope:
        if code not in regions():
            raise ValueError(f"there is no region with the code {code!r}")
        return cls(Level.REGION, code=code)

    @classmethod
    def national(cls) -> Scope:
        return cls(Level.NATIONAL)

    @property
    def name(self) -> str:
        """A title for pages and reports."""
        match self.level:
            case Level.MEMBER:
                return f"member {self.member}"
            case Level.FORCE:
                return forces()[self.code].name
            case Level.REGION:
                return regions()[self.code].name
            case Level.NATIONAL:
                return "National"
