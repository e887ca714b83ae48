"""What pages show: hostile names as text, true figures from the real event store, the token exactly once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.accounts.services import create_member_user, create_police_user
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.events.arrow import Origin, table_of, with_origin
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.ingest.models import Envelope, LedgerTotal
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.core.places import Scope
from cyberalarm.envelope.tokens import RegistrationToken
from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.events.store import EventStore

HOSTILE = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def finding(member: Member | None, title: str, what: str) -> Finding:
    now = timezone.now()
    return Finding.objects.create(
        rule="no-such-rule", rule_version=1, member=member, group_key=title[:100], day=now.date(), what=what,
        title=title, severity=Finding.Severity.HIGH, category="scan", source="198.18.0.7", evidence={},
        source_role="origin", spoofable=True, first_seen=now, last_seen=now, episode_start=now,
        episode_end=now,        created=now, updated=now, count=3,
    )  # fmt: skip


@pytest.fixture
def rows(events: EventStore, member: Member) -> int:
    """Seven events of the member and five of one in another force, today. Gives the member's total."""
    now = datetime.now(UTC)
    shared = {
        "time": now,
        "sensor": "firewall",
        "direction": "inbound",
        "dst_ip": "203.0.113.9",
        "protocol": 6,
    }
    mine = table_of(
        [
            {**shared, "src_ip": "198.18.0.7", "dst_port": 3389, "action": "blocked", "count": 4},
            {**shared, "src_ip": "198.18.0.8", "dst_port": 22, "action": "allowed", "count": 3},
        ]
    )
    other = table_of([{**shared, "src_ip": "198.18.9.9", "dst_port": 445, "action": "blocked", "count": 5}])
    events.insert(with_origin(mine, Origin(member.pk, 1, 1, "essex", "eastern", now)))
    events.insert(with_origin(other, Origin(member.pk + 1, 2, 1, "cleveland", "north-east", now)))
    return 7


@pytest.fixture
def clean_store(store: EventStore, member: Member) -> None:
    """Rows of tests before this one are gone: member numbers are used again after a roll-back."""
    for collector in (1, 2):
        store.delete_bundle(collector, 1)


def test_hostile_names_are_text_everywhere(events: EventStore, database: None, member: Member, officer: User) -> None:
    member.name = HOSTILE
    member.postcode = "<b>x"
    member.save()
    site = Site.objects.create(member=member, name=HOSTILE)
    collector = Collector.objects.create(site=site, name=HOSTILE, version="<i>1", platform="<i>2")
    finding(member, HOSTILE, f'"><img src=x onerror=alert(1)> {HOSTILE}')
    LedgerTotal.objects.create(
        collector=collector,
        device="<u>d",
        received=1,
        kept=1,
        first_received=timezone.now(),
        last_received=timezone.now(),
    )
    owner = create_member_user("o@school.example", HOSTILE, PASSWORD, member)
    waiting = Member.objects.create(name=HOSTILE, kind="school", force="essex", postcode="<b>")
    create_member_user("w@school.example", HOSTILE, PASSWORD, waiting)

    for user, addresses in {
        owner: [
            "/member/", "/member/findings", f"/member/collectors/{collector.reference}",
            "/member/certificate",
            f"/member/sites/{site.pk}/provision", "/account/2fa/", "/account/password/change/",
        ],
        officer: ["/police/", "/police/members", f"/police/members/{member.reference}", "/police/sign-ups"],
    }.items():  # fmt: skip
        browser = Visitor(user)
        for address in addresses:
            page = browser.get(address)
            text = page.content.decode()
            assert page.status_code == 200, address
            assert ESCAPED in text, address
            assert "<script>alert" not in text, address
            for tag in ("<img src=x", "<b>x", "<i>1", "<i>2", "<u>d"):
                assert tag not in text, address
    assert ESCAPED in Visitor().get(f"/verify/{member.reference}").content.decode()


def test_overviews_show_the_scopes_figures_and_no_others(clean_store: None, rows: int, officer: User) -> None:
    national = create_police_user("n@police.example", "N", PASSWORD, Scope.national(), Role.ANALYST)
    mine = Visitor(officer).get("/police/").content.decode()
    assert re.search(rf'figure">{rows}</span>suspicious', mine)
    assert re.search(r'figure">3</span>of them let in', mine)
    assert "Remote desktop (RDP)" in mine
    assert "198.18.0.7" in mine
    assert "198.18.9.9" not in mine
    everything = Visitor(national).get("/police/").content.decode()
    assert re.search(r'figure">12</span>suspicious', everything)
    assert "198.18.9.9" in everything
    assert "Cleveland Police" in everything


def test_findings_of_others_are_not_shown(
    events: EventStore, make_member: Callable[..., Member], owner: User, officer: User, member: Member
) -> None:
    finding(member, "Ours", "x")
    finding(make_member("Kent Council", "kent"), "Theirs", "x")
    finding(None, "Networkwide", "x")
    for user, address in ((owner, "/member/findings"), (officer, "/police/")):
        text = Visitor(user).get(address).content.decode()
        assert "Ours" in text
        assert "Theirs" not in text
        assert "Networkwide" not in text


def test_a_token_is_shown_once_and_made_once(owner: User, site: Site) -> None:
    browser = Visitor(owner)
    address = f"/member/sites/{site.pk}/provision"
    once = re.search(r'name="once" value="([^"]+)"', browser.get(address).content.decode())
    assert once
    form = {"name": "Server room", "once": once[1]}
    shown = browser.post(address, form)
    assert "no-store" in shown.headers["Cache-Control"]
    token = re.search(r"ca1\.[\w.-]+", shown.content.decode())
    assert token
    collector = Collector.objects.get(site=site)
    assert RegistrationToken.from_text(token[0]).secret_hash == collector.token_hash
    assert Entry.objects.filter(action=Action.PROVISIONED, subject=f"collector:{collector.reference}").count() == 1

    again = browser.post(address, form, follow=True)
    assert "ca1." not in again.content.decode()
    assert "A token is shown once" in again.content.decode()
    assert Collector.objects.filter(site=site).count() == 1
    assert browser.post(address, {"name": "Another"}, follow=True).redirect_chain
    assert Collector.objects.filter(site=site).count() == 1
    for page in ("/member/", f"/member/collectors/{collector.reference}"):
        assert "ca1." not in browser.get(page).content.decode()

    renewed = browser.post(f"/member/collectors/{collector.reference}/renew")
    fresh = re.search(r"ca1\.[\w.-]+", renewed.content.decode())
    assert fresh
    assert fresh[0] != token[0]
    assert Entry.objects.filter(action=Action.TOKEN_RENEWED, subject=f"collector:{collector.reference}").count() == 1


def test_sites_have_one_name_each(owner: User, site: Site) -> None:
    page = Visitor(owner).post("/member/sites/add", {"name": "MAIN building"})
    assert page.status_code == 422
    assert "a site of this name already" in page.content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        Site.objects.create(member=site.member, name=site.name)


def test_a_collector_that_sends_is_said_to_work(events: EventStore, owner: User, site: Site) -> None:
    now = timezone.now()
    collector = Collector.objects.create(site=site, name="C", status=Collector.Status.ENROLLED, last_seen=now)
    Envelope.objects.create(
        collector=collector, sequence=1, digest="d" * 64, state=Envelope.State.STORED, sealed=now, rows=1, lines=135,
        received=now - timedelta(minutes=5), size=1, ledgers={},
    )  # fmt: skip
    LedgerTotal.objects.create(
        collector=collector, device="d-1", received=135, kept=135, first_received=now, last_received=now
    )
    home = Visitor(owner).get("/member/").content.decode()
    assert "Everything is working" in home
    assert "5 minutes ago" in home


def test_asking_for_the_status_is_no_sending(events: EventStore, owner: User, officer: User, site: Site) -> None:
    """It polls, its bundles are refused, and an hour ago it still sent: the page must not say that all is well."""
    now = timezone.now()
    collector = Collector.objects.create(
        site=site, name="Server room", status=Collector.Status.ENROLLED, last_seen=now, enrolled=now - timedelta(days=9),
        refused_code="header-mismatch", refused_at=now, refused_since=now - timedelta(minutes=50), refused_proven=True,
    )  # fmt: skip
    Envelope.objects.create(
        collector=collector, sequence=1, digest="d" * 64, state=Envelope.State.STORED, sealed=now, rows=1, lines=9,
        received=now - timedelta(hours=1), size=1, ledgers={},
    )  # fmt: skip
    home = Visitor(owner).get("/member/").content.decode()
    assert "Everything is working" not in home
    assert "its bundles are refused" in home
    assert "header-mismatch" in home
    police = Visitor(officer)
    for address in (
        "/police/",
        f"/police/members/{site.member.reference}",
        f"/police/collectors/{collector.reference}",
    ):
        text = police.get(address).content.decode()
        assert "bundles are refused" in text, address
        assert collector.reference in text, address
    Envelope.objects.create(
        collector=collector, sequence=2, digest="e" * 64, state=Envelope.State.STORED, sealed=now, rows=1, lines=9,
        received=now, size=1, ledgers={},
    )  # fmt: skip
    assert "Everything is working" in Visitor(owner).get("/member/").content.decode()
    assert "bundles are refused" not in police.get("/police/").content.decode()


@pytest.mark.parametrize(
    ("status", "words"), [("stopped", "has stopped this collector"), ("revoked", "withdrawn for good")]
)
def test_a_stopped_or_revoked_collector_is_told_plainly(owner: User, site: Site, status: str, words: str) -> None:
    collector = Collector.objects.create(site=site, name="C", status=status, status_since=timezone.now())
    text = Visitor(owner).get(f"/member/collectors/{collector.reference}").content.decode()
    assert words in text
    assert "Renew the token" not in text
    assert {"stopped": "stopped by the centre", "revoked": "was revoked"}[status] in Visitor(owner).get(
        "/member/"
    ).content.decode()


def test_error_pages_wear_the_layout(visitor: Visitor) -> None:
    page = visitor.get("/nowhere")
    assert page.status_code == 404
    assert "Page not found" in page.content.decode()
    assert "/static/cyberalarm.css" in page.content.decode()


def test_a_failure_shows_no_details(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("cyberalarm.central.site.templating.navigation", broken)
    monkeypatch.setattr("cyberalarm.central.site.views.render", _only_failed(broken))
    visitor.raise_request_exception = False
    page = visitor.get("/privacy")
    assert page.status_code == 500
    assert "secret detail" not in page.content.decode()
    assert "Something went wrong here" in page.content.decode()


def _only_failed(broken: Callable[..., None]) -> Callable[..., object]:
    from django.shortcuts import render

    def chosen(request: object, template: str, *args: object, **kwargs: object) -> object:
        return render(request, template, *args, **kwargs) if template == "site/failed.html" else broken()  # type: ignore[arg-type]

    return chosen


def test_sensible_words_only(visitor: Visitor) -> None:
    for address in ("/", "/privacy", "/join"):
        assert not re.search(r"\battack", visitor.get(address).content.decode(), re.IGNORECASE)
