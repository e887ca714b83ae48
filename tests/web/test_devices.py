"""A member's devices: every outcome counted by day and month, named, put to rest; and the steps from a token to a report."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.ingest.models import LedgerSpan, LedgerTotal
from cyberalarm.central.members.models import Collector, Device, Member, Site
from cyberalarm.central.portal.steps import Progress, Reached, steps
from cyberalarm.core.outcome import OUTCOMES
from tests.web.browsing import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.accounts.models import User


@pytest.fixture
def collector(site: Site) -> Collector:
    now = timezone.now()
    return Collector.objects.create(
        site=site, name="Cellar", status=Collector.Status.ENROLLED, last_seen=now, enrolled=now
    )


def device(collector: Collector, name: str = "d-1", **values: object) -> LedgerTotal:
    now = timezone.now()
    usual: dict[str, object] = {
        "first_received": now,
        "last_received": now,
        "last_lines": now,
        "received": 9,
        "routine": 9,
    }
    return LedgerTotal.objects.create(collector=collector, device=name, **{**usual, **values})


def page(person: User, collector: Collector, row: LedgerTotal) -> str:
    answer = Visitor(person).get(f"/member/collectors/{collector.reference}/devices/{row.pk}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_ledger_shows_every_outcome_of_a_day_a_month_and_ever(owner: User, collector: Collector) -> None:
    now = timezone.now()
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    spans = ((1, hour, 1), (1, hour - timedelta(hours=24), 2), (1, hour - timedelta(hours=25), 1000))
    days = ((24, hour.replace(hour=0), 5), (24, hour.replace(hour=0) - timedelta(days=31), 1000))
    for hours, start, each in (*spans, *days):
        counts = dict.fromkeys(map(str, OUTCOMES), each)
        LedgerSpan.objects.create(
            collector=collector,
            device="d-1",
            hours=hours,
            start=start,
            received=9 * each,
            dropped_by_kernel=each,
            **counts,
        )
    ever = {str(outcome): 11 + at for at, outcome in enumerate(OUTCOMES)}
    row = device(collector, dropped_by_kernel=99, **{**ever, "received": 135})
    cells = re.findall(r'<td class="govuk-table__cell[^"]*">([^<]*)</td>', page(owner, collector, row))
    assert cells[1::5] == ["27", *["3"] * 9, "3"]
    assert cells[2::5] == ["45", *["5"] * 9, "5"]
    assert cells[3::5] == ["135", *map(str, ever.values()), "99"]
    listed = Visitor(owner).get(f"/member/collectors/{collector.reference}").content.decode()
    assert ">67%</td>" in listed.replace("\n", "")


def test_a_device_is_named_and_the_name_is_shown_harmlessly(owner: User, collector: Collector) -> None:
    row = device(collector)
    path = f"/member/collectors/{collector.reference}/devices/{row.pk}/name"
    visitor = Visitor(owner)
    name = " <i>Gate</i>\u202e\x07 & hall "
    text = visitor.post(path, {"name": name}, follow=True).content.decode()
    assert '<h1 class="govuk-heading-l">&lt;i&gt;Gate&lt;/i&gt; &amp; hall (d-1)</h1>' in text
    assert visitor.post(path, {"name": "x" * 61}).status_code == 422
    assert Device.objects.get().name == "<i>Gate</i> & hall"
    assert Entry.objects.filter(action=Action.DEVICE_NAMED).count() == 1
    visitor.post(path, {"name": " "})
    assert '<h1 class="govuk-heading-l">d-1</h1>' in page(owner, collector, row)


def test_a_device_is_put_to_rest_and_watched_again(owner: User, collector: Collector) -> None:
    row = device(collector)
    visitor = Visitor(owner)
    path = f"/member/collectors/{collector.reference}/devices/{row.pk}/rest"
    assert visitor.post(path, {"rest": "perhaps"}).status_code == 404
    assert "At rest since" in visitor.post(path, {"rest": "yes"}, follow=True).content.decode()
    assert "At rest" in visitor.get(f"/member/collectors/{collector.reference}").content.decode()
    LedgerTotal.objects.update(last_lines=timezone.now() + timedelta(seconds=1))
    assert "At rest since" not in page(owner, collector, row), "it has sent again"
    visitor.post(path, {"rest": "no"})
    assert Device.objects.get().rests_since is None
    actions = set(Entry.objects.values_list("action", flat=True))
    assert {Action.DEVICE_RESTED, Action.DEVICE_WATCHED} <= actions


def test_nobody_touches_another_members_devices(
    owner: User, make_member: Callable[..., Member], collector: Collector
) -> None:
    foreign_site = Site.objects.create(member=make_member("Other", "kent"), name="Kent")
    foreign = Collector.objects.create(site=foreign_site, name="Attic", status=Collector.Status.ENROLLED)
    row, own = device(foreign), device(collector, "d-others")
    visitor = Visitor(owner)
    for reference, key in ((foreign.reference, row.pk), (collector.reference, row.pk), (collector.reference, own.pk)):
        base = f"/member/collectors/{reference}/devices/{key}"
        assert visitor.post(base + "/name", {"name": "mine"}).status_code == 404
        assert visitor.post(base + "/rest", {"rest": "yes"}).status_code == 404
    assert visitor.get(f"/member/collectors/{foreign.reference}/devices/{row.pk}").status_code == 404
    assert visitor.get(f"/member/collectors/{collector.reference}/devices/{row.pk}").status_code == 404
    assert not Device.objects.exists()


def test_a_reference_may_hold_any_sign(owner: User, collector: Collector) -> None:
    row = device(collector, "/../<script>'\"")
    assert "/../&lt;script&gt;" in page(owner, collector, row)
    assert "<script>'" not in Visitor(owner).get(f"/member/collectors/{collector.reference}").content.decode()


def test_a_listening_port_and_the_rest_are_no_devices(owner: User, collector: Collector) -> None:
    port = device(collector, "d-port", received=0, routine=0, last_lines=None, dropped_by_kernel=7)
    assert "Listening port d-port" in page(owner, collector, port)
    assert "What do you call it?" not in page(owner, collector, port)
    assert "All further devices" in page(owner, collector, device(collector, "d-others"))


def test_a_token_is_withdrawn_and_renewed(owner: User, site: Site) -> None:
    visitor = Visitor(owner)
    path = f"/member/sites/{site.pk}/provision"
    once = re.search(r'name="once" value="([^"]+)"', visitor.get(path).content.decode())
    assert once
    shown = visitor.post(path, {"name": "Cellar", "once": once[1]})
    token = re.search(r'id="token"[^>]*>([^<]+)<', shown.content.decode())
    assert token
    found = Collector.objects.get(site=site)
    base = f"/member/collectors/{found.reference}"
    for path in (base, "/member/", "/member/alarms"):
        assert token[1] not in visitor.get(path).content.decode()
    assert token[1] not in str(vars(found))
    text = visitor.post(base + "/withdraw", follow=True).content.decode()
    assert "The token was withdrawn" in text
    assert "No token" in text
    found.refresh_from_db()
    assert (found.token_hash, found.token_expires) == ("", None)
    again = visitor.post(base + "/withdraw", follow=True).content.decode()
    assert "no token that could be withdrawn" in again
    assert Entry.objects.filter(action=Action.TOKEN_WITHDRAWN).count() == 1
    assert "ready to install" in visitor.post(base + "/renew").content.decode()


def test_pages_say_which_step_is_missing_never_that_there_is_no_data(owner: User, collector: Collector) -> None:
    for path in ("/member/", f"/member/collectors/{collector.reference}", "/member/reports", "/member/alarms"):
        text = Visitor(owner).get(path).content.decode().lower()
        assert "no data" not in text
        assert "none yet" not in text
        assert "nothing has been received" not in text
    home = Visitor(owner).get("/member/").content.decode()
    assert "Enrolled, but it does not run" in home
    assert "It must reach this site on port 443" in home


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_steps_in_order() -> None:
    found = steps(Progress(token=Reached(True, NOW), enrolled=Reached(True, NOW)))
    assert [step.done for step in found] == [True, True, False, False, False, False, False]
    assert [step.now for step in found].index(True) == 2
    assert "port 443" in found[2].missing
    reported = steps(Progress(token=Reached(True, NOW), report=Reached(True, NOW)))
    assert [step.done for step in reported] == [True, False, False, False, False, False, True]
    whole = steps(Progress(*[Reached(True)] * 7))
    assert not any(step.now or step.missing for step in whole)


REACHED = st.builds(Reached, st.booleans())


@given(st.builds(Progress, *[REACHED] * 7))
def test_one_step_is_next_and_what_was_passed_is_done(progress: Progress) -> None:
    found = steps(progress)
    missing = [step for step in found if not step.done]
    assert [step.now for step in missing] == [at == 0 for at in range(len(missing))]
    assert all(bool(step.missing) != step.done for step in found)
    passed = [step.done for step in found[:-1]]
    assert passed == sorted(passed, reverse=True)
