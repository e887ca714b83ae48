"""The collector's package, built once for all tests of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.processes import ROOT
from tests.deploy import roots

BUILD = ROOT / "deploy" / "debian" / "build.py"


def build_package(folder: Path, work: Path, *options: str) -> Path:
    """The package, built by what `make deb` calls; wheels by others are fetched once and kept in `work`."""
    done = subprocess.run(
        [sys.executable, str(BUILD), "--folder", str(folder), "--work", str(work), "--quick", *options],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1780000000"},
        capture_output=True,
        text=True,
        timeout=840,  # the kernel may have to be compiled
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    roots.needs()
    return build_package(tmp_path_factory.mktemp("package"), ROOT / ".build" / "deb-tests")
