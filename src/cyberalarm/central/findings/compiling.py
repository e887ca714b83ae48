"""Turns a rule into a checked, parameterised query, and says in words what it asks.

Identifiers come from the event schema's field names and nothing else; every value of a rule travels as a
server-side parameter. The SQL's frame is a file of `central/events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.central.events import queries
from cyberalarm.core.schema import FieldType, event_schema

from .rule import Condition, Operator, Rule, RuleLevel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Parameter = int | str | list[int] | list[str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule's two queries, and the values of its conditions."""

    hits: queries.Query
    figures: queries.Query
    values: dict[str, Parameter]


_TYPES = {
    FieldType.U8: "UInt8",
    FieldType.U16: "UInt16",
    FieldType.U32: "UInt32",
    FieldType.U64: "UInt64",
    FieldType.ENUM: "String",
    FieldType.NAME: "String",
    FieldType.TEXT: "String",
}


# The members that a rule looks at, within its scope: one by one, so that no query need read everybody's events.
ONLY = "only"


def compiled(rule: Rule, *, only_members: bool = False) -> Compiled:
    """The rule's queries, checked as every query file is; `only_members` limits them to the parameter `ONLY`.

    Raises QueryFileError.
    """
    values: dict[str, Parameter] = {}
    conditions = [f"and {sql}" for sql in _conditions(rule.where, "where", values)]
    if rule.unless:
        conditions.append(f"and not ({' and '.join(_conditions(rule.unless, 'unless', values))})")
    if only_members:
        conditions.insert(0, f"and member in {{{ONLY}:Array(UInt32)}}")
    replaced = {
        "@who@": "member" if rule.level is RuleLevel.MEMBER else "toUInt32(0)",
        "@parts@": f"CAST([{', '.join(_text(f) for f in rule.group_by)}], 'Array(String)')",
        "@conditions@": "\n        ".join(conditions),
        "@distinct@": _column(rule.distinct) if rule.distinct else "1",
    }
    return Compiled(
        queries.from_template("detection", f"detection_{rule.id}", replaced),
        queries.from_template("detection_figures", f"detection_figures_{rule.id}", replaced),
        values,
    )


def _conditions(listed: Sequence[Condition], name: str, values: dict[str, Parameter]) -> Iterator[str]:
    """Each condition's SQL; adds what it compares with to `values`."""
    for at, condition in enumerate(listed):
        sql, value = _condition(condition, f"{name}_{at}")
        if value is not None:
            values[f"{name}_{at}"] = value
        yield sql


def _column(field: str) -> str:
    """A field's name, only if it is one. Raises StopIteration on anything else."""
    return event_schema().field(field).name


def _text(field: str) -> str:
    column = _column(field)
    nullable = event_schema().field(field).nullable
    return f"ifNull(toString({column}), '')" if nullable else f"toString({column})"


def _condition(condition: Condition, name: str) -> tuple[str, Parameter | None]:
    column = _column(condition.field)
    described = event_schema().field(condition.field)
    if condition.operator is Operator.GIVEN:
        return _given(column, described.type, described.nullable), None
    kind = _TYPES[described.type]
    left = f"toString({column})" if described.type is FieldType.ENUM else column
    value: Parameter
    match condition.operator:
        case Operator.IN:
            sql = f"has({{{name}:Array({kind})}}, assumeNotNull({left}))"
            numbers = [v for v in condition.values if isinstance(v, int)]
            value = numbers or [str(v) for v in condition.values]
        case Operator.CONTAINS:
            sql, value = f"positionCaseInsensitiveUTF8({left}, {{{name}:String}}) > 0", condition.values[0]
        case Operator.AT_LEAST:
            sql, value = f"{left} >= {{{name}:{kind}}}", condition.values[0]
        case Operator.AT_MOST:
            sql, value = f"{left} <= {{{name}:{kind}}}", condition.values[0]
        case _:
            sql, value = f"{left} = {{{name}:{kind}}}", condition.values[0]
    if described.nullable:
        absent = f"{column} is null" if condition.or_absent else "0"
        return f"(ifNull({column} is not null and {sql}, 0) or {absent})", value
    return f"({sql})", value


def _given(column: str, kind: FieldType, nullable: bool) -> str:
    if nullable:
        return f"({column} is not null)"
    if kind is FieldType.ADDRESS:
        return f"({column} != toIPv6('::'))"
    return f"(notEmpty({column}))"


_WORDS = {
    Operator.IS: "is",
    Operator.IN: "is one of",
    Operator.CONTAINS: "contains",
    Operator.AT_LEAST: "is at least",
    Operator.AT_MOST: "is at most",
    Operator.GIVEN: "is given",
}


def _in_words(condition: Condition) -> str:
    values = ", ".join(str(v) for v in condition.values)
    absent = " or is not said" if condition.or_absent else ""
    return f"{condition.field} {_WORDS[condition.operator]} {values}".rstrip() + absent


def explain(rule: Rule) -> str:
    """What the rule asks, in words, and the SQL that asks it."""
    lines = [f"{rule.title} [{rule.id}, version {rule.version}]", rule.plain, "", "Of events where:"]
    lines += [f"  {_in_words(condition)}" for condition in rule.where]
    if rule.unless:
        lines += ["and not of those where all of these hold:", *(f"  {_in_words(c)}" for c in rule.unless)]
    whose = "each member's events" if rule.level is RuleLevel.MEMBER else "all members' events together"
    per = f" for each {', '.join(rule.group_by)}" if rule.group_by else ""
    lines += [f"it looks at {whose}{per}, over {rule.window}, windows overlapping by half, for at least:"]
    lines.append(f"  {rule.threshold.tries} lines")
    if rule.distinct:
        lines.append(f"  {rule.threshold.distinct} different {rule.distinct}")
    if rule.threshold.members:
        lines.append(f"  {rule.threshold.members} members")
    if rule.threshold.hours:
        lines.append(f"  {rule.threshold.hours} different hours")
    return "\n".join([*lines, "", compiled(rule).hits.sql])
