"""A network's events in the event store, and how long its questions take; DuckDB on the same rows beside it.

    python bench/billion.py [--events 1000000000] [--members 4000] [--days 396] [--folder DIR] [--no-duckdb]

Rows come from `cyberalarm.lab.network`, day by day in bounded memory, and go through `EventStore.insert` with a token, as
ingest's do: the rollups are filled on the way. DuckDB gets the columns that the questions need, each batch after the store, in a
table without order. Every question is asked several times, of other members and addresses; p50 and p95 are of all, the cold first
one among them. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parent))

import duckdb
from network_rows import address_text, table_of

from cyberalarm.central.events.store import EventStore
from cyberalarm.core.places import Scope
from cyberalarm.lab.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

LONDON = ZoneInfo("Europe/London")
START = datetime(2025, 10, 1, tzinfo=UTC)
HUNTED = 10_000
ASKED = 12
_LOOKED_UP = (1, 2, 3, 10, 20, 40, 60, 80, 99, 200, 1_000, 9_000)  # ranks: the busiest of all, and others
# What DuckDB is given: the event's columns that the questions need and what a reader of events would keep, in its own types.
DUCK_COLUMNS = (
    "time, last, count, sensor, action, direction, lower(hex(src_ip)) as src_ip, lower(hex(dst_ip)) as dst_ip, dst_port, protocol,"
    " evidence, signature_id, signature, category, severity, threat, member, force::varchar as force, region::varchar as region"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, asked of the store by `ask` and of DuckDB by SQL; `ask` is told which time it is."""

    name: str
    ask: Callable[[EventStore, int], int]
    duck: Callable[[int], tuple[str, list[object]]]


def questions(network: Network) -> tuple[Question, ...]:
    """What pages, trends, analysts and reports ask, about the last days of the network's time."""
    last = (START + timedelta(days=network.days)).astimezone(LONDON).date()
    end = datetime(last.year, last.month, last.day, tzinfo=LONDON)
    month, week = {"start": end - timedelta(days=30), "end": end}, {"start": end - timedelta(days=7), "end": end}
    year = {
        "start": datetime(START.year, START.month, START.day, tzinfo=LONDON) - timedelta(days=1),
        "end": end + timedelta(days=1),
    }
    hunted = [address_text(rank * 1_000 + (rank % 50 if rank >= 100 else 0)) for rank in range(1, 2 * HUNTED, 2)]
    out = "direction in (0, 1) and src_ip not like '000000000000000000000000%' "

    def member_page(store: EventStore, at: int) -> int:
        scope = Scope.of_member(1 + at * 37 % network.members)
        rows = store.query("sums", scope, **month) + store.query("totals_by_day", scope, **month)
        rows += store.query("top_ports", scope, **month, limit=20)
        return len(rows + store.query("top_sources", scope, **month, least_members=1, widest_first=0, limit=20))

    def trend(store: EventStore, _: int) -> int:
        scope = Scope.national()
        rows = store.query("sums", scope, **week) + store.query("totals_by_day", scope, **week)
        rows += store.query("totals_by_force", scope, **week)
        rows += store.query("network_signatures", scope, **week, least_members=3, limit=20)
        return len(rows + store.query("network_ports", scope, **week, least_members=3, limit=20))

    def look_up(store: EventStore, at: int) -> int:
        return len(store.query("source_lookup", Scope.national(), **year, source=address_text(_LOOKED_UP[at] * 1_000)))

    def widest(store: EventStore, _: int) -> int:
        return len(store.query("top_sources", Scope.national(), **week, least_members=2, widest_first=1, limit=20))

    def hunt(store: EventStore, _: int) -> int:
        return len(store.query("source_hunt", Scope.national(), **year, sources=hunted))

    def weekly(store: EventStore, _: int) -> int:
        return len(store.query("totals_by_member", Scope.national(), **week))

    def of(span: dict[str, datetime], sql: str, *values: object) -> tuple[str, list[object]]:
        return sql.replace("PERIOD", "time >= ? and time < ?"), [span["start"], span["end"], *values]

    page = (
        "select src_ip, sum(count), count(distinct (dst_port, protocol)), count(distinct dst_ip) from events where PERIOD"
        f" and member = ? and {out} group by src_ip order by 2 desc limit 20"
    )
    return (
        Question("member_page_30_days", member_page, lambda at: of(month, page, 1 + at * 37 % network.members)),
        Question(
            "national_trend_7_days",
            trend,
            lambda _: of(
                week,
                "select dst_port, protocol, sum(count), count(distinct src_ip), count(distinct member) from events where PERIOD"
                " and direction in (0, 1) and sensor in (0, 1) group by all order by 5 desc limit 20",
            ),
        ),
        Question(
            "source_look_up",
            look_up,
            lambda at: of(
                year,
                "select time::date, region, force, sum(count), count(distinct member) from events where PERIOD"
                " and src_ip = ? group by all",
                _hex(address_text(_LOOKED_UP[at] * 1_000)),
            ),
        ),
        Question(
            "top_sources_by_members_7_days",
            widest,
            lambda _: of(
                week,
                f"select src_ip, count(distinct member) from events where PERIOD and {out} group by all order by 2 desc limit 20",
            ),
        ),
        Question(
            "retro_hunt_10000_addresses",
            hunt,
            lambda _: of(
                year,
                "select src_ip, count(distinct member), sum(count), epoch_ms(min(time)) from events where PERIOD"
                " and src_ip in (select unnest(?)) group by all",
                [_hex(text) for text in hunted],
            ),
        ),
        Question(
            "all_members_weekly_summary",
            weekly,
            lambda _: of(
                week,
                "select member, sum(count), count(distinct src_ip), epoch_ms(max(last)) from events where PERIOD group by member",
            ),
        ),
    )


def _hex(text: str) -> str:
    return "00000000000000000000ffff" + "".join(f"{int(part):02x}" for part in text.split("."))


def fill(store: EventStore, duck: duckdb.DuckDBPyConnection | None, network: Network, batch: int) -> dict[str, float]:
    """Every day's events into both; seconds that each took, and the making."""
    spent = {"making": 0.0, "store": 0.0, "duckdb": 0.0}
    done, began = 0, time.perf_counter()
    for day in range(network.days):
        for part, rows in enumerate(_timed(spent, network, day, batch)):
            at = time.perf_counter()
            store.insert(rows, token=f"{day}-{part}")
            spent["store"] += time.perf_counter() - at
            if duck is not None:
                at = time.perf_counter()
                _into(duck, rows)
                spent["duckdb"] += time.perf_counter() - at
            done += rows.num_rows
            left = (time.perf_counter() - began) * (network.events - done) / done
            print(
                f"\r{done:,} of {network.events:,} events, {left / 60:.0f} minutes left   ",
                end="",
                file=sys.stderr,
                flush=True,
            )
    print(file=sys.stderr)
    return spent


def _timed(spent: dict[str, float], network: Network, day: int, batch: int) -> Iterator[pa.Table]:
    """The day's tables one by one, with the time of making them noted."""
    source = enumerate(network.day(day, batch))
    while True:
        at = time.perf_counter()
        found = next(source, None)
        table = None if found is None else table_of(network, found[1], day * 1000 + found[0])
        spent["making"] += time.perf_counter() - at
        if table is None:
            return
        yield table


def _into(duck: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
    duck.register("given", rows)
    first = not duck.execute("select count(*) from information_schema.tables where table_name = 'events'").fetchone()[0]  # type: ignore[index]
    duck.execute(f"{'create table events as' if first else 'insert into events'} select {DUCK_COLUMNS} from given")
    duck.unregister("given")


def measure(ask: Callable[[int], int]) -> dict[str, float]:
    """Milliseconds: of the first time, and p50 and p95 of all."""
    took, found = [], 0
    for at in range(ASKED):
        began = time.perf_counter()
        found += ask(at)
        took.append((time.perf_counter() - began) * 1000)
    return {
        "first": round(took[0], 1),
        "p50": round(statistics.median(took), 1),
        "p95": round(statistics.quantiles(took, n=20, method="inclusive")[-1], 1),
        "rows": found // ASKED,
    }


def run(events: int, members: int, days: int, batch: int, folder: Path, *, beside: bool) -> dict[str, object]:
    """Fill and ask. Everything that is written lies in the folder."""
    network = Network(members, days, events, START)
    store = EventStore.open(folder / "store")
    duck = duckdb.connect(str(folder / "duck.db")) if beside else None
    try:
        spent = fill(store, duck, network, batch)
        sizes = store.sizes()
        result: dict[str, object] = {
            "events": events,
            "members": members,
            "days": days,
            "making_seconds": round(spent["making"], 1),
            "stored_events_a_second": round(events / spent["store"]),
            "bytes_an_event": {name: round(size / events, 2) for name, (_, size) in sizes.items()},
            "rows_an_event": {name: round(rows / events, 3) for name, (rows, _) in sizes.items()},
        }
        asked = questions(network)
        result["milliseconds"] = {q.name: measure(lambda at, q=q: q.ask(store, at)) for q in asked}  # type: ignore[misc]
        if duck is not None:
            duck.execute("checkpoint")
            result["duckdb"] = {
                "stored_events_a_second": round(events / spent["duckdb"]),
                "bytes_an_event": round((folder / "duck.db").stat().st_size / events, 2),
                "milliseconds": {
                    q.name: measure(lambda at, q=q: len(duck.execute(*q.duck(at)).fetchall()))  # type: ignore[misc]
                    for q in asked
                },
            }
        result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return result
    finally:
        if duck is not None:
            duck.close()
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000_000)
    parser.add_argument("--members", type=int, default=4_000)
    parser.add_argument("--days", type=int, default=396)
    parser.add_argument("--batch", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; kept afterwards (default: a temporary folder)")
    parser.add_argument("--no-duckdb", action="store_true")
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with ExitStack() as parts:
        folder = given.folder or Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="cyberalarm-billion-")))
        folder.mkdir(parents=True, exist_ok=True)
        result = run(given.events, given.members, given.days, given.batch, folder, beside=not given.no_duckdb)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
