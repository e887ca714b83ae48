"""The same migrations for a cluster: each table replicated on its shard, and a distributed table of the plain name above it.

Invariants:
- without a cluster's name every statement stays as it is written
- queries, inserts and views' readers use the plain names on one server and on many; what is stored lies in `<table>_local`
- a member's rows lie on one shard (`cityHash64(member)`), so that an insert repeated under its token comes to the same one
- every statement bears running twice, as those that it is made from

The servers' configuration must define the cluster and the macros `{shard}` and `{replica}`. What it does
not do: speak with servers.
"""

from __future__ import annotations

import re

from .errors import EventStoreError

_COMMENT = re.compile(r"--[^\n]*")
_TABLE = re.compile(r"^create table if not exists (\w+)\b", re.IGNORECASE)
_VIEW = re.compile(r"^create materialized view if not exists (\w+)\s+to\s+(\w+)\b", re.IGNORECASE)
_ALTER = re.compile(r"^alter table (\w+)\b\s*(.*)$", re.IGNORECASE | re.DOTALL)
_ENGINE = re.compile(r"\bengine\s*=\s*(\w*MergeTree)(?:\s*\(([^()]*)\))?", re.IGNORECASE)
_SOURCE = re.compile(r"\b(from|join)\s+([a-z_]\w*)\b", re.IGNORECASE)
_DATA = re.compile(r"^(insert|optimize|truncate)\b", re.IGNORECASE)
_WINDOW = "non_replicated_deduplication_window"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# Not events: each server has all of it.
_EVERYWHERE = frozenset({"migrations"})
_SHARDING = "cityHash64(member)"
# Changes of these kinds concern how rows are kept, which a distributed table does not.
_LOCAL_ONLY = re.compile(
    r"^(modify setting|modify ttl|(add|drop|materialize) (index|projection)|delete|update|drop part)", re.IGNORECASE
)


def statements(migration: str, cluster: str) -> list[str]:
    """The statements that one statement of a migration becomes. Raises EventStoreError for a form that is not known here."""
    if not cluster:
        return [migration]
    check_name(cluster)
    sql = _COMMENT.sub("", migration).strip().rstrip(";").strip()
    if found := _TABLE.match(sql):
        return _table(sql, found[1], cluster)
    if found := _VIEW.match(sql):
        rest = _SOURCE.sub(lambda m: f"{m[1]} {m[2]}_local", sql[found.end() :])
        return [f"create materialized view if not exists {found[1]} on cluster '{cluster}' to {found[2]}_local{rest}"]
    if found := _ALTER.match(sql):
        return _alter(found[1], found[2], cluster)
    if _DATA.match(sql):
        return [sql]
    raise EventStoreError(
        f"A cluster cannot be given this statement: {sql[:80]}",
        next_step="Write migrations as create table, create materialized view … to, or alter table.",
    )


def mutation(statement: str, cluster: str) -> str:
    """A change of stored rows, on every shard and replica that has them; it ends when all have done it."""
    if not cluster:
        return statement
    (changed,) = statements(statement, cluster)
    return changed.replace("mutations_sync = 1", "mutations_sync = 2")


def parts(table: str, cluster: str) -> str:
    """The statement that sums a table's rows and bytes, each row counted once."""
    source, name = (f"cluster('{cluster}', system.parts)", f"{table}_local") if cluster else ("system.parts", table)
    return (
        f"select sum(rows), sum(bytes_on_disk) from {source}"  # noqa: S608 - names of tables and of a checked cluster
        f" where database = currentDatabase() and table = '{name}' and active"
    )


def check_name(cluster: str) -> None:
    """Raises EventStoreError for what cannot be a cluster's name: it stands in statements."""
    if not _NAME.fullmatch(cluster):
        raise EventStoreError("A cluster's name has letters, digits, - and _.", code="event-store-cluster")


def _table(sql: str, name: str, cluster: str) -> list[str]:
    engine = _ENGINE.search(sql)
    if engine is None:
        raise EventStoreError(f"The table {name} has an engine that cannot be replicated.")
    alone = name in _EVERYWHERE
    place = "all" if alone else "{shard}"
    replica = "{shard}-{replica}" if alone else "{replica}"
    own = f", {engine[2]}" if engine[2] and engine[2].strip() else ""
    replicated = f"engine = Replicated{engine[1]}('/clickhouse/tables/{place}/{{database}}/{name}', '{replica}'{own})"
    local = name if alone else f"{name}_local"
    head = f"create table if not exists {local} on cluster '{cluster}'"
    body = sql[len(_match(_TABLE, sql)) : engine.start()] + replicated + sql[engine.end() :]
    made = [head + body.replace(_WINDOW, "replicated_deduplication_window")]
    if not alone:
        made.append(
            f"create table if not exists {name} on cluster '{cluster}' as {local}"
            f" engine = Distributed('{cluster}', currentDatabase(), '{local}', {_SHARDING})"
        )
    return made


def _alter(name: str, change: str, cluster: str) -> list[str]:
    change = change.replace(_WINDOW, "replicated_deduplication_window")
    made = [f"alter table {name}_local on cluster '{cluster}' {change}"]
    if not _LOCAL_ONLY.match(change):
        made.append(f"alter table {name} on cluster '{cluster}' {change}")
    return made


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    assert found is not None
    return found[0]
