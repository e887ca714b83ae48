"""Figures, readiness and the log, as machines read them: nothing for strangers, all of it named and documented."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families

from cyberalarm.central.config import secret_file
from cyberalarm.central.events import store as event_store
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.site import figures
from cyberalarm.central.site.logs import JsonLines
from tests.web.browsing import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Member

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
NAME = re.compile(r"cyberalarm_[a-z_]+")


@pytest.fixture
def serving(database: None, events: EventStore) -> Iterator[None]:
    ingest.start(settings.CONFIG, events)
    with override_settings(CONFIG=settings.CONFIG.model_copy(update={"metrics": True})):
        yield
    ingest.stop()


def bearer() -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {secret_file(settings.CONFIG, figures.TOKEN)}"}


def fetched() -> str:
    answer = Visitor().get("/metrics", **bearer())  # type: ignore[arg-type]
    assert answer.status_code == 200
    return answer.content.decode()


def documented_names(text: str) -> set[str]:
    """Names without the endings that Prometheus puts behind those of histograms."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(text)}


def test_strangers_get_no_figures(serving: None) -> None:
    wrong = ({}, {"HTTP_AUTHORIZATION": "Bearer "}, {"HTTP_AUTHORIZATION": "Bearer x"}, {"HTTP_AUTHORIZATION": "é"})
    for headers in wrong:
        assert Visitor().get("/metrics", **headers).status_code == 404  # type: ignore[arg-type]
        assert set(Visitor().get("/readyz", **headers).json()) == {"ready"}  # type: ignore[arg-type]


def test_figures_are_off_by_default(database: None) -> None:
    assert not settings.CONFIG.metrics
    assert Visitor().get("/metrics", **bearer()).status_code == 404  # type: ignore[arg-type]


def test_every_figure_is_documented_and_every_documented_one_is_there(serving: None, member: Member) -> None:
    Visitor().get("/")
    text = fetched()
    ours = {family.name for family in text_string_to_metric_families(text) if family.name.startswith("cyberalarm_")}
    given = documented_names(" ".join(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)))
    given = {name for name in given if not name.endswith("_created")}
    page = documented_names((ROOT / "docs" / "monitoring.md").read_text("utf-8"))
    assert len(ours) > 15
    assert page == given
    assert member.name not in text
    assert member.reference not in text


@pytest.mark.parametrize("file", ["alerts.yaml", "dashboard.json"])
def test_alerts_and_dashboard_name_figures_that_exist(serving: None, file: str) -> None:
    named = documented_names((MONITORING / file).read_text("utf-8"))
    assert len(named) >= 10
    assert named <= documented_names(fetched())


def test_alerts_point_at_parts_of_the_guide() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text("utf-8")
    named = re.findall(r'See "([^"]+)"', (MONITORING / "alerts.yaml").read_text("utf-8"))
    assert len(named) >= 9
    for heading in named:
        assert re.search(rf"^##+ {re.escape(heading)}$", guide, re.MULTILINE), heading


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 10
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert all(target["expr"] for target in panel["targets"])


def test_labels_are_bounded(serving: None) -> None:
    for path in ("/nothing/at/all", "/%00", "/police/members/x", "/x" * 500, "/../../etc"):
        Visitor().get(path)
    areas = set(re.findall(r'area="([^"]*)"', fetched()))
    assert areas <= set(figures.AREAS)


def test_a_missing_event_store_is_not_ready_and_leaves_the_other_figures(serving: None) -> None:
    assert Visitor().get("/readyz").status_code == 200
    event_store.use(None)
    answer = Visitor().get("/readyz", **bearer())  # type: ignore[arg-type]
    assert answer.status_code == 503
    assert [name for name, part in answer.json()["parts"].items() if not part["good"]] == ["Event store"]
    assert Visitor().get("/livez").status_code == 200
    text = fetched()
    assert 'cyberalarm_figures_failed{group="events"} 1.0' in text
    assert 'cyberalarm_part_good{part="event-store"} 0.0' in text
    assert "cyberalarm_disk_free_bytes" in text


def test_what_libraries_log_is_one_object_a_line() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    log = logging.Logger("library")  # noqa: LOG001 - one of its own, that reaches no other handler
    log.addHandler(handler)
    try:
        int("two\nlines")
    except ValueError:
        log.exception("it\nfailed: %s", "badly")
    (line,) = out.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["library"], said["level"], said["message"]) == (
        "library.log", "library", "error", "it\nfailed: badly",
    )  # fmt: skip
    assert "ValueError" in said["exception"]
