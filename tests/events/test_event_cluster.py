"""The tables of a cluster: the engine understands every statement, and the same queries read what is stored through them.

No server is started here: the engine parses the statements as they are, and runs them without replication on a cluster of itself.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cyberalarm.central.events import cluster
from cyberalarm.central.events.ddl import cluster_statements
from cyberalarm.central.events.errors import EventStoreError
from cyberalarm.central.events.store import EventStore, migrations
from tests.servers.running import ClickHouseHttp

CONFIGURATION = Path(__file__).parents[1] / "servers" / "clickhouse_cluster.xml"
STATEMENTS = cluster_statements("network")


def made(kind: str) -> list[str]:
    return [one for one in STATEMENTS if one.lower().startswith(kind)]


def test_the_engine_understands_every_statement(store: EventStore) -> None:
    for statement in STATEMENTS:
        with store._client() as client:
            (form,) = client.query("select formatQuery({sql:String})", parameters={"sql": statement}).result_rows[0]
        assert (
            "on cluster network" in form.lower() or "on cluster 'network'" in form.lower() or "insert" in form.lower()
        )


def test_every_table_is_replicated_with_its_window_and_read_by_its_plain_name() -> None:
    written = {
        name for _, sql in migrations() for one in sql for name in re.findall(r"create table if not exists (\w+)", one)
    }
    stored = {
        name: one for one in made("create table") for name in re.findall(r"^create table if not exists (\w+)", one)
    }
    for name in written:
        assert "Distributed('network', currentDatabase(), " in stored[name]
        assert "cityHash64(member)" in stored[name]
        assert re.search(
            rf"Replicated\w*MergeTree\('/clickhouse/tables/{{shard}}/{{database}}/{name}'", stored[f"{name}_local"]
        )
    assert "/clickhouse/tables/all/" in stored["migrations"], "what was applied is known everywhere"
    assert not any("non_replicated" in one for one in STATEMENTS)


def test_one_server_is_given_what_is_written() -> None:
    for _, statements in migrations():
        for statement in statements:
            assert cluster.statements(statement, "") == [statement]


@pytest.mark.parametrize("name", ["a'b", "", "x y", "é", "1; drop table events"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(EventStoreError):
        cluster_statements(name)


def test_a_form_of_statement_that_is_not_known_is_refused() -> None:
    with pytest.raises(EventStoreError):
        cluster.statements("rename table events to other", "network")


def test_changes_of_rows_go_to_every_replica() -> None:
    sql = cluster.mutation("alter table events delete where member = 1 settings mutations_sync = 1", "network")
    assert sql == "alter table events_local on cluster 'network' delete where member = 1 settings mutations_sync = 2"


def test_new_columns_come_to_both_and_settings_to_the_stored_table_only() -> None:
    both = cluster.statements("alter table events add column if not exists x UInt8", "network")
    assert [one.split()[2] for one in both] == ["events_local", "events"]
    assert len(cluster.statements("alter table events modify setting index_granularity = 1", "network")) == 1


ALONE = """
import json, sys
import chdb
connection = chdb.connect(f"{sys.argv[1]}?config-file={sys.argv[2]}")
for statement in json.load(sys.stdin):
    connection.query(statement, "CSV")
"""


def alone(statement: str) -> str:
    """The same statement without what needs Keeper: replication, and the queue by which servers hand on statements."""
    statement = re.sub(r" on cluster '\w+'", "", statement)
    statement = re.sub(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?", r"\1(", statement)
    return statement.replace("replicated_deduplication_window", "non_replicated_deduplication_window")


def test_the_same_queries_read_through_distributed_tables(tmp_path: Path) -> None:
    from cyberalarm.central.events.engine import ANSWER_SECONDS
    from tests.events.test_event_engine import rows, total

    folder = tmp_path / "store"
    done = [alone(one) for one in STATEMENTS]
    done += [f"insert into migrations values ('{name}', now64(3))" for name, _ in migrations()]
    made = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), str(CONFIGURATION)],
        input=json.dumps(done),
        text=True,
        capture_output=True,
        timeout=ANSWER_SECONDS,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    with ClickHouseHttp(f"{folder}?config-file={CONFIGURATION}") as server:
        store = EventStore.open(server.address())
        store.insert(rows(20), token="t-1")
        store.insert(rows(20), token="t-1")
        assert total(store) == 20, "inserted and read by the plain name, counted once"
        with store._client() as client:
            (kept,) = client.query("select count() from events_local").result_rows[0]
        assert kept == 20
        store.close()
