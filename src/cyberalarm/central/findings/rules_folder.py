"""Reads detection rules from `rules/*.toml`, strictly: an unknown key, field, value or set is an error.

The file's shape is the pydantic models below; what comes out is a `Rule`. A set of ports is written
`@risky_ports` or `@amplifier_ports` and comes from `core.ports`.
"""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyberalarm.core.ports import amplifier_ports, risky_ports
from cyberalarm.core.schema import FieldType, event_schema

from .errors import RuleError, UnknownRuleError
from .rule import (
    Condition,
    ConditionValue,
    Example,
    ExampleRow,
    Kind,
    Operator,
    Rule,
    RuleLevel,
    SourceRole,
    Spoofable,
    Threshold,
)

_SEVERITIES = {"low": 1, "medium": 2, "high": 3, "critical": 4}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_NUMBERS = {FieldType.U8, FieldType.U16, FieldType.U32, FieldType.U64}
_TEXTS = {FieldType.TEXT, FieldType.NAME}
_GROUPABLE = _NUMBERS | {FieldType.ENUM, FieldType.NAME, FieldType.TEXT, FieldType.ADDRESS}
_DURATION = r"^[1-9]\d{0,4}[smhd]$"
_Duration = Annotated[str, Field(pattern=_DURATION)]
_Severity = Literal["low", "medium", "high", "critical"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Where(_Strict):
    field: str
    is_: int | str | None = Field(None, alias="is")
    in_: str | list[int] | list[str] | None = Field(None, alias="in")
    contains: str | None = Field(None, min_length=3)
    at_least: int | None = None
    at_most: int | None = None
    given: Literal[True] | None = None
    or_absent: bool = False


class _Threshold(_Strict):
    tries: int = Field(1, ge=1)
    distinct: int = Field(0, ge=0)
    members: int = Field(0, ge=0)
    hours: int = Field(0, ge=0)


class _Rows(_Strict):
    event: dict[str, int | str | list[str]]
    vary: dict[str, int] = {}
    repeat: int = Field(1, ge=1, le=5000)
    every: _Duration | None = None
    after: _Duration | None = None
    member: int = Field(1, ge=1)
    members: int = Field(1, ge=1, le=50)


class _Example(_Strict):
    name: str
    fires: bool
    rows: list[_Rows] = Field(min_length=1)


class _File(_Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{2,40}$")
    version: int = Field(ge=1)
    kind: Literal["window", "rising"] = "window"
    title: str = Field(min_length=5, max_length=120)
    plain: str = Field(min_length=20)
    summary: str = Field(min_length=20)
    level: Literal["member", "network"]
    severity: _Severity
    severity_when_blocked: _Severity | None = None
    category: str
    technique: str = Field(pattern=r"^T\d{4}(\.\d{3})?$")
    source: Literal["origin", "victim", "none"]
    spoofable: Literal["always", "unless_established", "never"]
    where: list[_Where] = Field(min_length=1)
    unless: list[_Where] = []
    group_by: list[str]
    distinct: str = ""
    window: _Duration
    threshold: _Threshold
    advice: list[str] = Field(min_length=1)
    false_positives: list[str] = Field(min_length=1)
    example: list[_Example] = Field(min_length=2)


@cache
def rules() -> dict[str, Rule]:
    """Every rule that ships, by id, in the order of their names.

    Raises RuleError on the first that is wrong.
    """
    folder = files(__package__).joinpath("rules")
    names = sorted(p.name for p in folder.iterdir() if p.name.endswith(".toml"))
    found = [parse(name, folder.joinpath(name).read_text("utf-8")) for name in names]
    return {rule.id: rule for rule in found}


def rule(name: str) -> Rule:
    """The rule of this id. Raises UnknownRuleError."""
    try:
        return rules()[name]
    except KeyError:
        raise UnknownRuleError(
            f"There is no detection rule called {name!r}.", next_step=f"There are: {', '.join(rules())}."
        ) from None


def parse(file: str, text: str) -> Rule:
    """Read one rule file's text. Raises RuleError naming file and key."""
    try:
        read = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{file}: not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RuleError(
            f"{file}: key {key!r}: {first['msg']}.",
            next_step="See docs/detections.md for what a rule may say.",
        ) from error
    if file != f"{read.id}.toml":
        raise RuleError(f"{file}: key 'id': the file must be named {read.id}.toml.")
    return _rule(file, read)


def _rule(file: str, read: _File) -> Rule:
    if read.category not in event_schema().field("category").values:
        raise RuleError(f"{file}: key 'category': {read.category!r} is not a category of events.")
    for key, names in (("group_by", read.group_by), ("distinct", [read.distinct] if read.distinct else [])):
        for name in names:
            if _type(file, key, name) not in _GROUPABLE:
                raise RuleError(f"{file}: key {key!r}: events cannot be grouped by {name!r}.")
    if read.source != "none" and "src_ip" not in read.group_by:
        raise RuleError(f"{file}: key 'source': only a rule that groups by src_ip has a source.")
    if bool(read.distinct) != bool(read.threshold.distinct):
        raise RuleError(f"{file}: key 'distinct': needs threshold.distinct, and the other way round.")
    return Rule(
        id=read.id,
        version=read.version,
        kind=Kind(read.kind),
        title=read.title,
        plain=read.plain,
        summary=read.summary,
        level=RuleLevel(read.level),
        severity=_SEVERITIES[read.severity],
        severity_when_blocked=_SEVERITIES[read.severity_when_blocked or read.severity],
        category=read.category,
        technique=read.technique,
        source=SourceRole(read.source),
        spoofable=Spoofable(read.spoofable),
        where=tuple(_condition(file, "where", w) for w in read.where),
        unless=tuple(_condition(file, "unless", w) for w in read.unless),
        group_by=tuple(read.group_by),
        distinct=read.distinct,
        window=_duration(read.window),
        threshold=Threshold(**read.threshold.model_dump()),
        advice=tuple(read.advice),
        false_positives=tuple(read.false_positives),
        examples=tuple(_example(file, e) for e in read.example),
    )


def _type(file: str, key: str, name: str) -> FieldType:
    try:
        return event_schema().field(name).type
    except StopIteration:
        raise RuleError(f"{file}: key {key!r}: events have no field {name!r}.") from None


def _condition(file: str, key: str, read: _Where) -> Condition:
    kind = _type(file, key, read.field)
    given = {
        Operator.IS: read.is_,
        Operator.IN: read.in_,
        Operator.CONTAINS: read.contains,
        Operator.AT_LEAST: read.at_least,
        Operator.AT_MOST: read.at_most,
        Operator.GIVEN: read.given,
    }
    used = [(operator, value) for operator, value in given.items() if value is not None]
    if len(used) != 1:
        raise RuleError(f"{file}: key {key!r}: {read.field} needs exactly one of {', '.join(given)}.")
    operator, value = used[0]
    if operator is Operator.GIVEN:
        return Condition(read.field, operator)
    if operator in {Operator.AT_LEAST, Operator.AT_MOST} and kind not in _NUMBERS:
        raise RuleError(f"{file}: key {key!r}: {read.field} is not a number.")
    if operator is Operator.CONTAINS and kind not in _TEXTS:
        raise RuleError(f"{file}: key {key!r}: {read.field} is not a text.")
    if isinstance(value, str) and operator is Operator.IN:
        values: tuple[ConditionValue, ...] = _named_set(file, key, value)
    else:
        values = tuple(value) if isinstance(value, list) else (value,)
    for one in values:
        _check_value(file, key, read.field, kind, one)
    return Condition(read.field, operator, values, read.or_absent)


def _check_value(file: str, key: str, field: str, kind: FieldType, value: ConditionValue) -> None:
    if kind in _NUMBERS and isinstance(value, int) and value >= 0:
        return
    if kind is FieldType.ENUM and value in event_schema().field(field).values:
        return
    if kind in _TEXTS and isinstance(value, str):
        return
    raise RuleError(f"{file}: key {key!r}: {value!r} is no value that {field} can have.")


def _named_set(file: str, key: str, name: str) -> tuple[int, ...]:
    sets = {"@risky_ports": risky_ports, "@amplifier_ports": amplifier_ports}
    if name not in sets:
        raise RuleError(f"{file}: key {key!r}: there is no set {name!r}; there are {', '.join(sets)}.")
    return tuple(sorted(sets[name]()))


def _duration(text: str | None) -> timedelta:
    if text is None:
        return timedelta(0)
    matched = re.fullmatch(r"(\d+)([smhd])", text)
    assert matched is not None  # the pattern of the file's model
    return timedelta(seconds=int(matched[1]) * _UNITS[matched[2]])


def _example(file: str, read: _Example) -> Example:
    rows = []
    for row in read.rows:
        for name in (*row.event, *row.vary):
            _type(file, "example", name)
        rows.append(
            ExampleRow(
                fields=dict(row.event),
                vary=dict(row.vary),
                repeat=row.repeat,
                every=_duration(row.every),
                after=_duration(row.after),
                member=row.member,
                members=row.members,
            )
        )
    return Example(read.name, read.fires, tuple(rows))
