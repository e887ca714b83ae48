"""Query files: how they are read, what they must look like, and how a scope becomes a condition.

A file `sql/<name>.sql` is one `select`. Its header says what it is for and which columns it returns:

    -- Suspicious activity per day, by what kind of device spoke and what it did.
    -- returns: day, sensor, action, total

A file of the same name in `sql/days` gives the same answer from the rollups, for whole days of UK time; `fitting` chooses.
Parameters are the engine's own `{name:Type}` and are sent apart from the text. Invariants, checked on loading: every table read is
one of `TABLES` (or a subquery, or a `with` name of the same file), and each read is followed by `where {scope}`, joined to the rest
by nothing weaker than `and`. So no query sees beyond its scope, whatever else it says. Rows come in a total order, so that the same
question has the same answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cyberalarm.core.places import Level, Scope

from .errors import QueryFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]*):([^{}]+)\}")
_SOURCE = re.compile(r"\b(?:from|join)\s+(\(|[A-Za-z_][\w.]*)?", re.IGNORECASE)
_WITH_NAME = re.compile(r"(?:\bwith|,)\s+([a-z_]\w*)\s+as\s*\(", re.IGNORECASE)
# All tables of members' rows, in the order in which they are filled. Each has member, force and region.
TABLES = ("events", "source_days", "total_days", "source_index", "detection_days")
_ANY = "|".join(TABLES)
_SCOPED_READ = re.compile(
    rf"\bfrom\s+(?:{_ANY})\s+(?:pre)?where\s+\{{scope\}}\s*(and\b|group\b|order\b|limit\b|having\b|\)|$)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(group|order|limit|having|window|settings|union|intersect|except|format|qualify)\b", re.IGNORECASE
)
_WEAKER = re.compile(r"(or\b|xor\b|\?)", re.IGNORECASE)
_RETURNS = "returns:"
_LONDON = ZoneInfo("Europe/London")
_FIRST_YEAR, _LAST_YEAR = 1971, 2148  # a day is 16 bits in some of the engine's functions


@dataclass(frozen=True, slots=True)
class Query:
    """One query file: its name, what it is for, its parameters with their types, the columns it returns."""

    name: str
    meaning: str
    parameters: dict[str, str]
    returns: tuple[str, ...]
    sql: str


def names() -> tuple[str, ...]:
    """All query names, in alphabetical order."""
    found = (p.name for p in files(__package__).joinpath("sql").iterdir())
    return tuple(sorted(n.removesuffix(".sql") for n in found if n.endswith(".sql")))


@cache
def load(name: str) -> Query:
    """Read and check the query file of this name. Raises QueryFileError."""
    path = files(__package__).joinpath("sql").joinpath(f"{name}.sql")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not path.is_file():
        raise QueryFileError(f"There is no event query called {name!r}.", next_step="See docs/event-store.md.")
    return parse(name, path.read_text("utf-8"))


@cache
def load_of_days(name: str) -> Query | None:
    """The form of this query that reads the rollups, for periods of whole days; None if there is none. Raises QueryFileError."""
    path = files(__package__).joinpath("sql").joinpath("days").joinpath(f"{name}.sql")
    if not path.is_file():
        return None
    raw = load(name)
    found = _parsed(name, raw.meaning, raw.returns, path.read_text("utf-8"))
    if found.parameters != raw.parameters:
        raise QueryFileError(f"days/{name}.sql takes other parameters than {name}.sql.")
    return found


def fitting(name: str, parameters: Mapping[str, object]) -> Query:
    """The query's form for these parameters: from the rollups where the period is whole days of UK time, else from the events."""
    rolled = load_of_days(name)
    if rolled is not None and all(_is_midnight(parameters.get(at)) for at in ("start", "end")):
        return rolled
    return load(name)


def _is_midnight(moment: object) -> bool:
    """A midnight of UK time, within the years that the engine counts in days."""
    if not isinstance(moment, datetime) or moment.tzinfo is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return False
    return moment.astimezone(_LONDON).time() == time.min


def parse(name: str, text: str) -> Query:
    """Check a query's text. Raises QueryFileError naming what is wrong."""
    return _parsed(name, *_header(name, text), text)


def _parsed(name: str, meaning: str, returns: tuple[str, ...], text: str) -> Query:
    sql = _COMMENT.sub(" ", text).strip()
    check_scoped(name, sql)
    parameters = {m[1]: m[2].strip() for m in _PARAMETER.finditer(sql)}
    if reserved := {"scope_member", "scope_code"} & set(parameters):
        raise QueryFileError(f"{name}.sql uses the reserved parameter {min(reserved)}.")
    return Query(name, meaning, parameters, returns, sql)


def check_scoped(name: str, sql: str) -> None:
    """Make sure that every read of a table in comment-free SQL is held by `where {scope}`.

    Raises QueryFileError.
    """
    bare = _STRING.sub("''", sql)
    own = {n.lower() for n in _WITH_NAME.findall(bare)}
    if own & set(TABLES) or any(mark in bare for mark in '"`#;'):
        raise QueryFileError(f'{name}.sql uses one of " ` # ; or calls something of its own like a table.')
    sources = [m[1] for m in _SOURCE.finditer(bare)]
    for source in sources:
        if source is None or (source != "(" and source not in TABLES and source.lower() not in own):
            raise QueryFileError(f"{name}.sql reads from {source or '?'!r}; only {', '.join(TABLES)} may be read.")
    reads = sum(source in TABLES for source in sources)
    mentions = len(re.findall(rf"\b(?:{_ANY})\b", bare, re.IGNORECASE))
    scoped = list(_SCOPED_READ.finditer(bare))
    if not (reads == mentions == len(scoped) == bare.count("{scope}")):
        raise QueryFileError(
            f"{name}.sql reads tables {reads} times, names them {mentions} times and says"
            f" `from … where {{scope}}` {len(scoped)} times.",
            next_step="Write `where {scope} and …` after each table; name no column like a table.",
        )
    for read in scoped:
        _check_condition(name, bare[read.end(1) :] if read[1].lower() == "and" else "")


def _check_condition(name: str, rest: str) -> None:
    """Refuse whatever is weaker than `and` on the level of the scope's own condition."""
    depth, at = 0, 0
    while at < len(rest):
        mark = rest[at]
        depth += (mark in "([") - (mark in ")]")
        if depth < 0:
            return
        at_word = depth == 0 and (at == 0 or not (rest[at - 1].isalnum() or rest[at - 1] == "_"))
        if at_word and _CLAUSE.match(rest, at):
            return
        if at_word and _WEAKER.match(rest, at):
            raise QueryFileError(
                f"{name}.sql joins something to {{scope}} by less than `and`.",
                next_step="Put it in brackets.",
            )
        at += 1


def _header(name: str, text: str) -> tuple[str, tuple[str, ...]]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    meaning = " ".join(line for line in lines if line and not line.startswith(_RETURNS))
    listed = [line.removeprefix(_RETURNS) for line in lines if line.startswith(_RETURNS)]
    returns = tuple(c.strip() for c in ",".join(listed).split(",") if c.strip())
    if not meaning or not returns:
        raise QueryFileError(f"{name}.sql must begin with `-- what it is for` and `-- returns: column, …`.")
    return meaning, returns


def bind(query: Query, scope: Scope) -> tuple[str, dict[str, int | str]]:
    """The query's text for a scope, and the parameters that the scope adds."""
    condition, parameters = condition_of(scope)
    return query.sql.replace("{scope}", condition), parameters


def condition_of(scope: Scope) -> tuple[str, dict[str, int | str]]:
    """The condition that keeps a read within a scope, with its parameters."""
    match scope.level:
        case Level.MEMBER:
            if scope.member is None:
                raise ValueError("a member's scope names no member")
            return "(member = {scope_member:UInt32})", {"scope_member": scope.member}
        case Level.FORCE:
            return "(force = {scope_code:String})", {"scope_code": scope.code}
        case Level.REGION:
            return "(region = {scope_code:String})", {"scope_code": scope.code}
        case Level.NATIONAL:
            return "(1)", {}


def from_template(template: str, name: str, replaced: Mapping[str, str]) -> Query:
    """A query made from `sql/templates/<template>.sql` by filling its `@marks@`, then checked like any other.

    The caller answers for what it fills in: identifiers of the schema and parameter marks only, never data.
    Raises QueryFileError.
    """
    path = files(__package__).joinpath("sql").joinpath("templates").joinpath(f"{template}.sql")
    text = path.read_text("utf-8")
    for mark, sql in replaced.items():
        text = text.replace(mark, sql)
    return parse(name, text)
