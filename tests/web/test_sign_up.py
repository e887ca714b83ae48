"""Organisations join by one form, which tells nobody who is known already."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.members.models import Member
from cyberalarm.central.site.forms import SignUpForm
from cyberalarm.central.site.text import plain_line
from cyberalarm.core.places import forces
from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

FILLED = {
    "organisation": "Hill Street School",
    "kind": "school",
    "force": "essex",
    "postcode": "cm1 1aa",
    "website": "https://www.hill-street.example/about",
    "name": "Olive Owner",
    "email": "Olive@hill-street.example",
    "password": PASSWORD,
    "agreement": "on",
}


def test_joining_makes_a_waiting_member_whose_owner_must_confirm(visitor: Visitor) -> None:
    page = visitor.post("/join", FILLED)
    assert (page.status_code, page.headers["Location"]) == (302, "/join/done")
    member = Member.objects.get(name="Hill Street School")
    assert (member.status, member.force, member.postcode, member.website) == (
        Member.Status.PENDING, "essex", "CM1 1AA", "www.hill-street.example",
    )  # fmt: skip
    owner = User.objects.get(member=member)
    assert (owner.role, owner.email) == (Role.OWNER, "olive@hill-street.example")
    assert not EmailAddress.objects.get(user=owner).verified

    refused = visitor.post("/account/login/", {"login": owner.email, "password": PASSWORD})
    assert refused.headers["Location"] == "/account/confirm-email/"
    assert visitor.get("/member/").status_code == 302

    link = re.search(r"https://\S+(/account/confirm-email/\S+/)", str(mail.outbox[0].body))
    assert link
    assert EmailAddress.objects.get(user=owner).verified is False
    visitor.get(link[1])
    assert EmailAddress.objects.get(user=owner).verified is False, "a mail scanner that opens the link confirms nothing"
    visitor.post(link[1])
    assert EmailAddress.objects.get(user=owner).verified is True
    entered = visitor.post("/account/login/", {"login": owner.email, "password": PASSWORD})
    assert entered.headers["Location"] == "/member/"
    assert "Waiting for approval" in visitor.get("/member/").content.decode()


def test_a_known_address_gets_the_same_answer_and_a_mail(visitor: Visitor, owner: User) -> None:
    before = Member.objects.count()
    known = visitor.post("/join", {**FILLED, "email": owner.email.upper()})
    fresh = visitor.post("/join", FILLED)
    assert (known.status_code, known.headers["Location"], known.content) == (
        fresh.status_code, fresh.headers["Location"], fresh.content,
    )  # fmt: skip
    assert Member.objects.count() == before + 1
    told = [message for message in mail.outbox if message.to == [owner.email]]
    assert len(told) == 1
    assert "already" in told[0].subject


def test_a_forged_host_does_not_reach_the_mail(visitor: Visitor) -> None:
    assert visitor.post("/join", FILLED, HTTP_HOST="evil.example").status_code == 400
    assert not mail.outbox


def test_password_reset_tells_nothing_and_links_to_the_centre(visitor: Visitor, owner: User) -> None:
    known = visitor.post("/account/password/reset/", {"email": owner.email})
    unknown = visitor.post("/account/password/reset/", {"email": "nobody@nowhere.example"})
    assert (known.status_code, known.headers["Location"]) == (
        unknown.status_code,
        unknown.headers["Location"],
    )
    link = re.search(r"(https://\S+)(/account/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert link
    page = visitor.get(link[2], follow=True)
    assert "Change Password" in page.content.decode()


def test_signing_up_is_limited(visitor: Visitor) -> None:
    answers = [visitor.post("/join", {**FILLED, "email": ""}).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]


def test_allauths_own_sign_up_is_closed(visitor: Visitor) -> None:
    assert visitor.get("/account/signup/").headers["Location"] == "/join"
    visitor.post("/account/signup/", {"email": "x@example.org", "password1": PASSWORD})
    assert not User.objects.filter(email="x@example.org").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("organisation", ""),
        ("organisation", " \x00 "),
        ("kind", "army"),
        ("force", ""),
        ("force", "no-such-force"),
        ("postcode", "12345"),
        ("website", "not a host"),
        ("website", "http://[broken"),
        ("email", "olive"),
        ("password", "short"),
        ("password", "password1234"),
        ("agreement", ""),
    ],
)
def test_wrong_answers_are_shown_beside_their_question(visitor: Visitor, field: str, value: str) -> None:
    page = visitor.post("/join", {**FILLED, field: value})
    text = page.content.decode()
    assert page.status_code == 422
    assert "There is a problem" in text
    assert f'href="#id_{field}"' in text
    assert PASSWORD not in text
    assert not Member.objects.filter(name="Hill Street School").exists()


def test_every_force_can_be_chosen(visitor: Visitor) -> None:
    text = visitor.get("/join").content.decode()
    assert set(re.findall(r'<option value="([^"]+)"', text)) == set(forces())


@given(st.text(), st.text(), st.text())
def test_the_form_is_total_and_its_results_are_plain(organisation: str, postcode: str, website: str) -> None:
    form = SignUpForm({**FILLED, "organisation": organisation, "postcode": postcode, "website": website})
    if form.is_valid():
        assert form.cleaned_data["website"] == "" or re.fullmatch(r"[a-z0-9.-]+", form.cleaned_data["website"])
        assert re.fullmatch(r"[A-Z0-9]+ [A-Z0-9]{3}", form.cleaned_data["postcode"])
        assert not re.search(r"[\x00-\x1f\x7f]", form.cleaned_data["organisation"])


@given(st.text())
def test_plain_lines_stay_plain(text: str) -> None:
    once = plain_line(text)
    assert plain_line(once) == once
    assert "\n" not in once


def test_verification_says_name_and_since_and_nothing_else(
    visitor: Visitor, member: Member, make_member: Callable[..., Member]
) -> None:
    text = visitor.get(f"/verify/{member.reference}").content.decode()
    assert member.name in text
    assert "Member since" in text
    assert "Essex" not in text
    for status in (Member.Status.PENDING, Member.Status.DECLINED, Member.Status.LEFT):
        hidden = make_member("Hidden", "essex", status)
        assert visitor.get(f"/verify/{hidden.reference}").status_code == 404
    assert visitor.get("/verify/m-xxxxxxxxxx").status_code == 404


def test_a_name_that_hides_or_turns_text_is_made_plain() -> None:
    assert plain_line("Lo\u200byds \u202eknaB") == "Loyds knaB"
