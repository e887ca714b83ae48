"""A centre's relational database in this process; every test's rows are rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.db import transaction
from django.test import override_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def database(migrated: None) -> Iterator[None]:
    """A transaction around the test that is always rolled back; mails stay in memory."""
    mail.outbox = []
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"), transaction.atomic():
        yield
        transaction.set_rollback(True)
