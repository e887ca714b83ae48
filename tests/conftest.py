"""One Django for all tests of this process, with its own configuration and a data folder that goes when the tests end.

Tests that need a centre with other settings start one as a process of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import pytest

_FOLDER = Path(tempfile.mkdtemp(prefix="cyberalarm-tests-"))
(_FOLDER / "central.toml").write_text('data = "data"\n')
os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(_FOLDER / "central.toml")
os.environ["DJANGO_SETTINGS_MODULE"] = "cyberalarm.central.settings"
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
django.setup()


@pytest.fixture(scope="session")
def migrated() -> None:
    """The relational database with this version's schema."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
