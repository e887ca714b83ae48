"""The migrations are the models: nobody has changed one and forgotten the other."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command


def test_no_migration_is_missing() -> None:
    told = StringIO()
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=told)
    assert "No changes detected" in told.getvalue()
