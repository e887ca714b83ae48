"""One generated week for all tests of the lab: real lines at a tenth of the demo's background."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cyberalarm.lab.generate import Plan, PlayLine, plan
from cyberalarm.lab.scenario import default_scenario

UNTIL = datetime(2026, 3, 9, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def week() -> Plan:
    return plan(default_scenario(), "test", UNTIL, days=7, scale=0.1)


@pytest.fixture(scope="session")
def lines(week: Plan) -> list[PlayLine]:
    return list(week.lines())
