"""All statements of all migrations as a cluster is given them."""

from __future__ import annotations

from . import cluster
from .store import JOURNAL, migrations


def cluster_statements(name: str) -> list[str]:
    """Every statement, in order. Raises EventStoreError for what cannot be a cluster's name."""
    cluster.check_name(name)
    written = [JOURNAL, *(statement for _, statements in migrations() for statement in statements)]
    return [made for statement in written for made in cluster.statements(statement, name)]
