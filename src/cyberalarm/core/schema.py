"""The event schema, read once from `schema.toml`. Arrow schema, DDL, docs and tests derive from `FIELDS`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class FieldType(StrEnum):
    TIME = "time"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    ENUM = "enum"
    NAME = "name"
    TEXT = "text"
    TEXTS = "texts"
    ADDRESS = "address"
    SHA256 = "sha256"


class Sees(StrEnum):
    """The narrowest audience that may see a field."""

    MEMBER = "member"
    POLICE = "police"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the event. `values` are an enum's names; a value's code is its position."""

    name: str
    type: FieldType
    meaning: str
    sees: Sees
    nullable: bool = False
    unit: str = ""
    values: tuple[str, ...] = ()
    max_bytes: int = 0
    max_items: int = 0


@dataclass(frozen=True, slots=True)
class Schema:
    version: int
    fields: tuple[Field, ...]
    attack: dict[str, str]

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)


@cache
def event_schema() -> Schema:
    """The schema of this version of the program."""
    table = tomllib.loads(files(__package__).joinpath("schema.toml").read_text("utf-8"))
    fields = tuple(
        Field(
            name=row["name"],
            type=FieldType(row["type"]),
            meaning=row["meaning"],
            sees=Sees(row["sees"]),
            nullable=row.get("nullable", False),
            unit=row.get("unit", ""),
            values=tuple(row.get("values", ())),
            max_bytes=row.get("max", 0),
            max_items=row.get("max_items", 0),
        )
        for row in table["field"]
    )
    return Schema(table["version"], fields, dict(table["attack"]))


UNKNOWN_PROTOCOL = 255
NO_ADDRESS = bytes(16)
