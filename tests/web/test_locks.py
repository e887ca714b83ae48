"""What one process does at a time, with writers that come together; on SQLite and, in test_on_postgresql.py, on PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.audit.services import record, verify_chain
from cyberalarm.central.locks import Lock, held

pytestmark = pytest.mark.usefixtures("migrated")


def test_writers_of_the_audit_record_who_come_together_all_write() -> None:
    before = Entry.objects.count()

    def write(at: int) -> None:
        try:
            record(None, Action.STOPPED, f"collector:c-{at}")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(24)))
    assert Entry.objects.count() == before + 24
    assert verify_chain() >= 24


def test_a_lock_is_let_go_of_after_a_failure() -> None:
    with pytest.raises(RuntimeError), held(Lock.MIGRATIONS):
        raise RuntimeError
    got = threading.Event()

    def take() -> None:
        with held(Lock.MIGRATIONS):
            got.set()
        connection.close()

    other = threading.Thread(target=take)
    other.start()
    other.join(10)
    assert got.is_set()
