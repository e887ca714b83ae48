"""A moment of the event store, kept still for a backup, and a store made anew from one.

The engine's FREEZE gives each table's parts a second name below `<store>/shadow/<name>` (hard links), which costs no room as
long as the store keeps the same parts. Parts never change after they are written, so what is copied from there later is that
moment.

Invariants
- All tables are frozen while nobody inserts (the caller sees to it), so that rollups and raw events are of one moment.
- `refill` makes exactly the tables of the backup, also those of an older version; bringing them up to date is the next
  opening's work.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import EventStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .store import EventStore

_SHADOW = "shadow"
_NAME = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)  # the engine writes other characters in a form of its own
_COUNT = "select count() from {table:Identifier}"
_TABLES = (
    "select name, data_paths[1], create_table_query, toUInt64(coalesce(total_rows, 0)), engine like '%MergeTree'"
    " from system.tables where database = currentDatabase() and not is_temporary order by name"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view: how it is made, and for tables how many rows it has. A view has no folder."""

    name: str
    statement: str
    rows: int
    folder: Path | None


def freeze(store: EventStore, name: str) -> tuple[Table, ...]:
    """Keep the store as it is now under this name; nobody may be inserting. Raises EventStoreError."""
    if not _NAME.fullmatch(name):
        raise ValueError(name)
    frozen = []
    with store._client() as client:  # noqa: SLF001 - one package
        for table, path, statement, rows, has_parts in client.query(_TABLES).result_rows:
            folder = None
            if has_parts:
                client.command(f"alter table `{table}` freeze with name '{name}'")
                folder = _shadow(store.directory, name) / Path(path).relative_to(store.directory)
                if rows and not folder.is_dir():
                    raise EventStoreError(f"The table {table} was not frozen.", next_step="See the centre's log.")
            frozen.append(Table(str(table), str(statement), int(rows), folder))
    return tuple(frozen)


def thaw(directory: Path, name: str = "") -> None:
    """Let go of what was frozen under this name, or of everything. The store may be at work."""
    shadow = directory / _SHADOW
    for folder in [_shadow(directory, name)] if name else [p for p in shadow.glob("*") if p.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)


def _shadow(directory: Path, name: str) -> Path:
    return directory / _SHADOW / name


def refill(
    store: EventStore, statements: Sequence[str], parts: Mapping[str, Path], done: Callable[[str], None]
) -> dict[str, int]:
    """Make the tables and give them the parts that lie in these folders, which are emptied; gives each table's rows.

    `store` is a bare one. Raises EventStoreError when the engine refuses a part.
    """
    with store._client() as client:  # noqa: SLF001 - one package
        # Views last, since they name tables; within each kind any order will do.
        for statement in sorted(statements, key=lambda text: not re.match(r"create table", text, re.IGNORECASE)):
            client.command(statement)
        counted = {}
        tables = [row for row in client.query(_TABLES).result_rows if row[4]]
        for table, path, *_ in tables:
            detached = Path(path) / "detached"
            for part in sorted(parts[table].iterdir()) if table in parts else ():
                part.replace(detached / part.name)
            client.command(f"alter table `{table}` attach partition all")
            left = [p.name for p in detached.iterdir()]
            if left:
                raise EventStoreError(
                    f"The engine does not take the part {left[0]} of the table {table}.",
                    next_step="Use another backup.",
                )
            counted[str(table)] = int(client.query(_COUNT, parameters={"table": table}).result_rows[0][0])
            done(str(table))
    return counted
