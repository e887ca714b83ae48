"""`vulndb`: vulnerabilities, the known-exploited list and imported fingerprints in one SQLite file.

Invariants: a file in use is never changed; an import copies it to a new file beside it, changes that,
checks it, and swaps it in with one rename, so a reader sees the old store or the new one. A failed import
leaves everything as it was. The starter set is in every store. Reading needs no lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from importlib.resources import files
from typing import TYPE_CHECKING

from cyberalarm.scanner.configurations import Configuration, Criterion, Node
from cyberalarm.scanner.cpe import Cpe, all_names
from cyberalarm.scanner.errors import FeedError
from cyberalarm.scanner.feeds.starter import NAME as STARTER
from cyberalarm.scanner.feeds.starter import read_starter
from cyberalarm.scanner.feeds.vulnerability import DistributionFix, Exploited, FeedInfo, Vulnerability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

FORMAT = 1  # of the file, kept in PRAGMA user_version
# Which source to believe where several know a CVE: ours is read from the makers' advisories.
_PRECEDENCE = (STARTER, "nvd", "nvd-overrides")


class VulnDb:
    """A store opened for reading."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path | None) -> VulnDb:
        """Open a store file; without one, a store in memory that holds the starter set only."""
        if path is None:
            connection = sqlite3.connect(":memory:")
            _create(connection)
            return cls(connection)
        if not path.is_file():
            raise FeedError(
                f"{path}: there is no such store.",
                next_step="Make it with `cyberalarm scanner feeds import`.",
            )
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as error:
            connection.close()
            raise FeedError(f"{path}: not a vulnerability store.", next_step="Import the feeds again.") from error
        if version != FORMAT:
            connection.close()
            raise FeedError(f"{path}: made by another version.", next_step="Import the feeds again.")
        return cls(connection)

    def close(self) -> None:
        self._db.close()

    def feeds(self) -> tuple[FeedInfo, ...]:
        rows = self._db.execute("SELECT name, dated, imported, sha256, rows, note FROM feed ORDER BY name")
        return tuple(FeedInfo(*row) for row in rows)

    def naming(self, vendor: str, product: str) -> tuple[Vulnerability, ...]:
        """Every vulnerability whose criteria name the product under any of its names, best source first."""
        found: dict[str, list[str]] = {}
        for v, p in all_names(vendor, product):
            rows = self._db.execute(
                "SELECT DISTINCT cve, source FROM criterion WHERE vendor = ? AND product = ? AND vulnerable = 1",
                (v, p),
            )
            for cve, source in rows:
                found.setdefault(cve, []).append(source)
        return tuple(self._load(cve, _best(sources)) for cve, sources in sorted(found.items()))

    def vulnerability(self, cve: str) -> Vulnerability | None:
        """One CVE from its best source."""
        rows = self._db.execute("SELECT source FROM vulnerability WHERE cve = ?", (cve,)).fetchall()
        return self._load(cve, _best([row[0] for row in rows])) if rows else None

    def exploited(self, cve: str) -> Exploited | None:
        row = self._db.execute("SELECT added, due, ransomware FROM exploited WHERE cve = ?", (cve,)).fetchone()
        return Exploited(row[0], row[1], bool(row[2])) if row else None

    def fingerprints(self) -> Iterator[tuple[str, str, str, dict[str, str]]]:
        """Imported fingerprints: key, kind, pattern, and the parameters by name."""
        for key, kind, pattern, parameters in self._db.execute(
            "SELECT key, kind, pattern, parameters FROM fingerprint ORDER BY preference DESC, rowid"
        ):
            yield key, kind, pattern, json.loads(parameters)

    def _load(self, cve: str, source: str) -> Vulnerability:
        title, status, published, vector, fixed_in, advice, condition = self._db.execute(
            "SELECT title, status, published, vector, fixed_in, advice, condition FROM vulnerability"
            " WHERE cve = ? AND source = ?",
            (cve, source),
        ).fetchone()
        rows = self._db.execute(
            "SELECT configuration, configuration_all, configuration_negate, node, node_all, node_negate,"
            " vulnerable, part, vendor, product, version, updated, target_sw, low, low_open, high, high_open"
            " FROM criterion WHERE cve = ? AND source = ? ORDER BY configuration, node, rowid",
            (cve, source),
        ).fetchall()
        # A distribution's fix is a fact whichever feed the ranges come from.
        fixes = self._db.execute(
            "SELECT distribution, release, fixed FROM distribution_fix WHERE cve = ?", (cve,)
        ).fetchall()
        return Vulnerability(
            cve=cve,
            source=source,
            title=title,
            status=status,
            published=published,
            vector=vector,
            fixed_in=fixed_in,
            advice=advice,
            condition=condition,
            configurations=_configurations(rows),
            fixes=tuple(DistributionFix(*f) for f in fixes),
        )


_Row = tuple[int, int, int, int, int, int, int, str, str, str, str, str, str, str | None, int, str | None, int]


def _configurations(rows: list[_Row]) -> tuple[Configuration, ...]:
    nodes: dict[tuple[int, int], list[_Row]] = {}
    for row in rows:
        nodes.setdefault((row[0], row[3]), []).append(row)
    grouped: dict[int, list[Node]] = {}
    heads: dict[int, tuple[bool, bool]] = {}
    for (number, _), members in nodes.items():
        first = members[0]
        heads[number] = (bool(first[1]), bool(first[2]))
        criteria = tuple(
            Criterion(Cpe(r[7], r[8], r[9], r[10], r[11], r[12]), bool(r[6]), r[13], bool(r[14]), r[15], bool(r[16]))
            for r in members
        )
        grouped.setdefault(number, []).append(Node(bool(first[4]), bool(first[5]), criteria))
    return tuple(Configuration(*heads[n], tuple(found)) for n, found in sorted(grouped.items()))


def _best(sources: list[str]) -> str:
    return min(sources, key=lambda s: (_PRECEDENCE.index(s) if s in _PRECEDENCE else len(_PRECEDENCE), s))


class Writer:
    """Fills one feed's part of a store that nobody reads yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def clear(self, source: str) -> None:
        """Forget what an earlier import of the same feed left."""
        for table in ("vulnerability", "criterion", "distribution_fix"):
            self._db.execute(f"DELETE FROM {table} WHERE source = ?", (source,))  # noqa: S608 - names are ours

    def add(self, item: Vulnerability) -> None:
        """Put a record in place of what the same source said of it before."""
        for table in ("criterion", "distribution_fix"):
            self._db.execute(f"DELETE FROM {table} WHERE cve = ? AND source = ?", (item.cve, item.source))  # noqa: S608
        self._db.execute(
            "INSERT OR REPLACE INTO vulnerability VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.cve,
                item.source,
                item.title,
                item.status,
                item.published,
                item.vector,
                item.fixed_in,
                item.advice,
                item.condition,
            ),
        )
        self._db.executemany(f"INSERT INTO criterion VALUES ({', '.join('?' * 19)})", _criterion_rows(item))  # noqa: S608
        self._db.executemany(
            "INSERT INTO distribution_fix VALUES (?, ?, ?, ?, ?)",
            [(item.cve, item.source, f.distribution, f.release, f.fixed) for f in item.fixes],
        )

    def clear_exploited(self) -> None:
        self._db.execute("DELETE FROM exploited")

    def add_exploited(self, cve: str, entry: Exploited) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO exploited VALUES (?, ?, ?, ?)",
            (cve, entry.added, entry.due, entry.ransomware),
        )

    def replace_fingerprints(self, rows: Iterable[tuple[str, str, float, str, dict[str, str]]]) -> int:
        """Key, kind, preference, pattern, parameters."""
        self._db.execute("DELETE FROM fingerprint")
        cursor = self._db.executemany(
            "INSERT INTO fingerprint VALUES (?, ?, ?, ?, ?)",
            ((k, kind, pref, pat, json.dumps(p)) for k, kind, pref, pat, p in rows),
        )
        return cursor.rowcount

    def record(self, info: FeedInfo) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO feed VALUES (?, ?, ?, ?, ?, ?)",
            (info.name, info.dated, info.imported, info.sha256, info.rows, info.note),
        )


def _criterion_rows(item: Vulnerability) -> Iterator[tuple[object, ...]]:
    for c, configuration in enumerate(item.configurations):
        for n, node in enumerate(configuration.nodes):
            for r in node.criteria:
                yield (
                    item.cve, item.source,
                    c, configuration.all_of, configuration.negate, n, node.all_of, node.negate, r.vulnerable,
                    r.cpe.part, r.cpe.vendor, r.cpe.product, r.cpe.version, r.cpe.update, r.cpe.target_sw,
                    r.start, r.start_open, r.end, r.end_open,
                )  # fmt: skip


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(files(__package__).joinpath("store.sql").read_text("utf-8"))
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    writer = Writer(connection)
    items, exploited, info = read_starter()
    for item in items:
        writer.add(item)
    for cve, entry in exploited.items():
        writer.add_exploited(cve, entry)
    writer.record(info)
    connection.commit()


def rebuild(path: Path, change: Callable[[Writer], None]) -> None:
    """Make a new store from the present one with `change` applied, and swap it in.

    Raises FeedError; then nothing changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(part)) as new:
            # A half-built file is thrown away, so its own journal would protect nothing.
            new.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            if path.exists():
                with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as old:
                    old.backup(new)
            else:
                _create(new)
            change(Writer(new))
            new.commit()
            if new.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise FeedError("The new store is damaged.", next_step="Check the disk, then import again.")
        _flush(part)
        part.replace(path)
        _flush(path.parent)
    except sqlite3.DatabaseError as error:
        raise FeedError(f"{path}: {error}.", next_step="Remove the file and import the feeds again.") from error
    finally:
        part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
