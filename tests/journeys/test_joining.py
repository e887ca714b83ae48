"""From a visitor to an enrolled collector, as people do it, in a real browser, with and without scripts."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from cyberalarm.envelope.certificate import pin
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import EnrolmentRequest
from cyberalarm.envelope.tokens import RegistrationToken

if TYPE_CHECKING:
    from tests.journeys.conftest import Centre, People

pytestmark = pytest.mark.journey

PASSWORD = "purple-lantern-marmalade"


def sign_in(page: Page, email: str) -> None:
    page.goto("/account/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def join(page: Page, organisation: str, email: str) -> None:
    page.goto("/")
    page.get_by_role("main").get_by_role("button", name="Join as an organisation").click()
    page.get_by_label("Name of your organisation").fill(organisation)
    page.get_by_label("School, college or trust").check()
    page.get_by_label("Your police force").select_option(label="Essex Police")
    page.get_by_label("Postcode").fill("CM1 1AA")
    page.get_by_label("Your name").fill("Olive Owner")
    page.get_by_label("Your email address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("I may join for this organisation").check()
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()


def confirm(page: Page, centre: Centre, email: str) -> None:
    mine = [mail for mail in centre.mails if f"To: {email}" in mail]
    link = re.search(r"https://\S+/account/confirm-email/\S+/", mine[-1].replace("=\n", ""))
    assert link
    assert link[0].startswith(centre.url)
    page.goto(link[0])
    page.get_by_role("button", name="Confirm").click()


def enrol(centre: Centre, token: RegistrationToken) -> Enrolment:
    """Enrol as a collector does: trusting the certificate that the token pins, and nothing else."""
    certificate = centre.folder / "data" / "keys" / "tls-certificate.pem"
    assert token.pin == pin(certificate.read_bytes())
    trust = ssl.create_default_context(cafile=str(certificate))
    body = EnrolmentRequest.new(token, SigningKey.generate(), "0.1.0", "linux").to_bytes()
    request = urllib.request.Request(f"{token.centre}/api/collector/v1/enrol", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
        return Enrolment.read(answer.read())


def stop_and_revoke(officer: Page, owner: Page) -> None:
    """From the member's page: stop the collector, let it go on, revoke it after being asked; the owner reads each."""
    officer.get_by_role("link", name="Server room").click()
    officer.get_by_label("Why?").fill("It floods us")
    officer.get_by_role("button", name="Stop this collector").click()
    expect(officer.get_by_text("“Server room” was stopped.")).to_be_visible()
    owner.goto("/member/")
    expect(owner.get_by_role("heading", name="Your collector: stopped by the centre")).to_be_visible()

    officer.get_by_label("Why?").fill("It is mended")
    officer.get_by_role("button", name="Let this collector go on").click()
    expect(officer.get_by_text("“Server room” may go on.")).to_be_visible()

    officer.get_by_role("link", name="Revoke this collector for good").click()
    expect(officer.get_by_text("This cannot be undone.")).to_be_visible()
    officer.get_by_label("Why?").fill("Stolen from the server room")
    officer.get_by_role("button", name="Revoke this collector").click()
    expect(officer.get_by_text("“Server room” was revoked.")).to_be_visible()
    expect(officer.get_by_role("button", name="Stop this collector")).to_have_count(0)
    owner.goto("/member/")
    expect(owner.get_by_role("heading", name="Your collector was revoked")).to_be_visible()


def test_a_school_joins_and_its_collector_enrols(people: People, centre: Centre) -> None:
    kind = "with scripts" if people.scripts else "without scripts"
    organisation, email = f"Hill Street School {kind}", f"olive{int(people.scripts)}@hill-street.example"

    visitor = people.page()
    join(visitor, organisation, email)
    sign_in(visitor, email)
    expect(visitor.get_by_role("heading", name="Check your email")).to_be_visible()
    confirm(visitor, centre, email)

    owner = people.page()
    sign_in(owner, email)
    expect(owner.get_by_role("heading", name="Waiting for approval")).to_be_visible()
    expect(owner.get_by_role("button", name="Add a site")).to_have_count(0)

    elsewhere = people.page()
    sign_in(elsewhere, "officer@kent.example")
    elsewhere.goto("/police/sign-ups")
    expect(elsewhere.get_by_text(organisation)).to_have_count(0)

    officer = people.page()
    sign_in(officer, "officer@essex.example")
    officer.goto("/police/sign-ups")
    officer.get_by_role("button", name=f"Approve {organisation}").click()
    expect(officer.get_by_text(f"{organisation} was approved.")).to_be_visible()

    owner.goto("/member/")
    expect(owner.get_by_role("heading", name="You are a member; no collector is provisioned")).to_be_visible()
    owner.get_by_role("button", name="Add a site").click()
    owner.get_by_label("Name").fill("Main building")
    owner.get_by_role("button", name="Add the site").click()
    owner.get_by_label("Name").fill("Server room")
    owner.get_by_role("button", name="Provision and show the token").click()
    assert owner.locator("#command").inner_text() == "cyberalarm collector enrol"
    token = RegistrationToken.from_text(owner.locator("#token").inner_text())
    assert token.centre == centre.url

    owner.goto("/member/")
    expect(owner.get_by_role("heading", name="Your collector: waiting to be installed")).to_be_visible()
    assert "ca1." not in owner.content()

    document = enrol(centre, token)
    assert document.collector == token.collector
    with pytest.raises(urllib.error.HTTPError) as refused:
        enrol(centre, token)
    assert b"token-used" in refused.value.read()

    owner.reload()
    expect(owner.get_by_role("heading", name="Your collector: enrolled, but it does not run")).to_be_visible()
    owner.get_by_role("link", name="Server room").click()
    expect(owner.get_by_text("No device has sent a line to this collector")).to_be_visible()

    officer.goto("/police/members")
    officer.get_by_role("link", name=organisation).click()
    expect(officer.get_by_role("link", name="Server room")).to_be_visible()
    expect(officer.get_by_text("No suspicious event of this period is stored.")).to_be_visible()

    # Whoever sets up the firewall need not be able to sign in.
    visitor.goto("/guides/")
    visitor.get_by_label("Its make or model").fill("fortigate")
    visitor.get_by_role("button", name="Find it").click()
    visitor.get_by_role("link", name="Fortinet FortiGate").first.click()
    expect(visitor.get_by_role("heading", name="Sending its logs to the collector")).to_be_visible()

    owner.goto("/member/alarms")
    owner.get_by_role("button", name="Send me no mails about alarms").click()
    expect(owner.get_by_role("button", name="Write to me about alarms")).to_be_visible()

    owner.goto("/member/certificate")
    check = owner.get_by_role("main").get_by_role("link").get_attribute("href")
    assert check
    visitor.goto(check)
    expect(visitor.get_by_role("heading", name=organisation)).to_be_visible()

    stop_and_revoke(officer, owner)

    owner.get_by_role("button", name="Sign out").click()
    owner.goto("/member/")
    expect(owner.get_by_role("heading", name="Sign in")).to_be_visible()
