"""The guides on the centre's own site: open to everybody, harmless whatever a pack says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.alarms import habits, rules
from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.guides import services
from cyberalarm.central.guides.rendering import render

if TYPE_CHECKING:
    from tests.web.browsing import Visitor

_ALARMS = Path(services.__file__).parent / "pages" / "alarms.md"


def test_a_device_is_looked_up_without_signing_in(visitor: Visitor) -> None:
    text = visitor.get("/guides/?q=fortigate").content.decode()
    assert "/guides/devices/fortinet-fortigate" in text
    assert "/guides/devices/cisco-asa" not in text
    page = visitor.get("/guides/devices/fortinet-fortigate").content.decode()
    assert "config log syslogd setting" in page
    assert '<th class="govuk-table__header" scope="col">' in page
    assert "We have no guide for" in visitor.get("/guides/?q=<b>zzz").content.decode()
    assert "<b>zzz" not in visitor.get("/guides/?q=<b>zzz").content.decode()


@pytest.mark.parametrize(
    "path", ["devices/nothing", "install/nothing", "install/..%2fREADME", "devices/..", "install/A"]
)
def test_what_is_no_guide_is_not_found(visitor: Visitor, path: str) -> None:
    assert visitor.get(f"/guides/{path}").status_code == 404


def test_every_guide_can_be_shown_and_has_nothing_inline() -> None:
    for guide in services.devices()[::12]:
        html = services.device_html(guide.name)
        assert html
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script", html), guide.name


def test_links_lead_to_guides_or_are_none() -> None:
    text = "[a](install-debian.md#x) [b](alarms.md) [c](collector.md) [d](javascript:x) [e](https://example.org/) [f](cisco-asa.md)"
    html = render(text, services._resolve)
    assert 'href="/guides/install/debian"' in html
    assert 'href="/guides/alarms"' in html
    assert 'href="/guides/devices/cisco-asa"' in html
    assert 'href="https://example.org/"' in html
    assert html.count("<a ") == 4
    assert " c " in html


@given(st.text())
def test_markup_stays_text(noise: str) -> None:
    html = render(f"# T\n\n<script>{noise}</script>", lambda _: None)
    assert "<script" not in html
    assert not re.search(r"<[a-z]+[^>]* on\w+=", html)


def test_the_page_of_alarms_names_every_kind_and_every_figure(visitor: Visitor) -> None:
    text = _ALARMS.read_text("utf-8")
    assert visitor.get("/guides/alarms").status_code == 200
    lower = text.lower()
    for kind in Kind:
        assert kind.label.lower().removeprefix("lines ").removeprefix("fewer lines ") in lower, kind
    minutes = int(rules.SILENT_AFTER.total_seconds() // 60)
    assert (
        minutes == int(rules.BEHIND_AFTER.total_seconds() // 60) == int(rules.DEVICE_CLOCK_AFTER.total_seconds() // 60)
    )
    for figure in (
        f"nothing was heard of it for {minutes} minutes",
        f"more than {rules.CLOCK_OFF // 60} minutes",
        f"less than {rules.DISK_FULL} MiB are free",
        f"{rules.DISK_CALM} MiB are free",
        f"{rules.SPOOL_FULL} per cent",
        f"less than {rules.SPOOL_CALM} per cent",
        f"at least {rules.LEAST_DROPPED} datagrams and {100 * rules.DROPPED_SHARE:.1f}%",
        f"at least {rules.ENOUGH_LINES}, are in no format",
        f"first {rules.NEW_FOR.days} days",
        f"after {rules.GONE_AFTER.days} days",
    ):
        assert figure in text, figure
    assert (rules.PAUSE_FACTOR, rules.NEW_PAUSE_FACTOR, habits._FADING) == (2, 3, 7 / 8)
    assert "twice as long" in text
    assert "three times its longest pause" in text
    assert "by an eighth a week" in text
