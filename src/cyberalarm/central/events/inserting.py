"""How rows are given to the engine, so that the same rows under the same token are stored once, in the table and its rollups.

Invariants:
- a table becomes record batches, and each record batch one block of the engine: its own squashing and cutting are switched off
- the engine remembers the last blocks of each table by token, number of the block, and partition (every table has a
  `non_replicated_deduplication_window`): a repeated insert adds what is missing in the table and in what its views fill, no more
- without a token an insert has one of its own: two equal tables are two
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

from .errors import EventTableError

if TYPE_CHECKING:
    from collections.abc import Mapping

# A bundle may hold old lines (replayed years of logs); months are partitions; the engine's own bound is 100.
_MOST_MONTHS_AT_ONCE = 1200
# Rows in one block: as many as one group commit has, so that it usually is one part in each table.
ROWS_IN_A_BLOCK = 2_000_000
_LONGEST_TOKEN = 200

# Whatever decides how rows are cut into blocks, or lets a block be stored later or in part, is said here and left to no default.
_PINNED: Mapping[str, int] = {
    "max_partitions_per_insert_block": _MOST_MONTHS_AT_ONCE,
    "async_insert": 0,
    "max_insert_threads": 1,
    "min_insert_block_size_rows": 0,
    "min_insert_block_size_bytes": 0,
    "max_insert_block_size": 2 * ROWS_IN_A_BLOCK,
    "max_insert_block_size_bytes": 0,
    "max_block_size": 2 * ROWS_IN_A_BLOCK,
    # An aggregation in two levels would give each rollup 256 small blocks, each a part with an fsync of its own.
    "group_by_two_level_threshold": 0,
    "group_by_two_level_threshold_bytes": 0,
    "min_insert_block_size_rows_for_materialized_views": 0,
    "min_insert_block_size_bytes_for_materialized_views": 0,
    "input_format_parallel_parsing": 0,
    "materialized_views_ignore_errors": 0,
    "optimize_on_insert": 1,
}


def blocks_of(table: pa.Table) -> pa.Table:
    """The same rows, cut the same way however they were put together."""
    # One dictionary for all chunks: the stream's reader on the other side knows no second one.
    whole = table.unify_dictionaries().combine_chunks()
    return pa.Table.from_batches(whole.to_batches(max_chunksize=ROWS_IN_A_BLOCK), schema=table.schema)


def settings_for(token: str | None) -> dict[str, int | str]:
    """The engine's settings for one insert. Raises EventTableError for a token that is none."""
    token = str(uuid4()) if token is None else token
    if not token or len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
        raise EventTableError("A token for an insert is a short ASCII text.")
    return {
        **_PINNED,
        "insert_deduplicate": 1,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "insert_deduplication_token": token,
    }
