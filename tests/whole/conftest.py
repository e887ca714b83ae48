"""The whole system as processes on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.whole.centres import RealCentre

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def real_centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCentre]:
    made = RealCentre.make(tmp_path_factory.mktemp("whole") / "centre")
    made.start()
    yield made
    made.stop()
