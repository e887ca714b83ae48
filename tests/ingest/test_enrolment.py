"""Tokens work once, for a while, for one collector; and who may speak."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils import timezone

from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.enrolment.problems import PROBLEMS
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.errors import SignatureRefused
from cyberalarm.envelope.keys import SigningKey, Suite
from cyberalarm.envelope.requests import EnrolmentRequest
from cyberalarm.envelope.tokens import RegistrationToken

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.members.models import Site


def ask(token: RegistrationToken, key: SigningKey | None = None) -> EnrolmentRequest:
    return EnrolmentRequest.new(token, key or SigningKey.generate(), "0.1.0", "linux")


def refusal(request: EnrolmentRequest) -> str:
    with pytest.raises(CyberAlarmError) as caught:
        enrolment.enrol(request)
    assert caught.value.code in PROBLEMS
    return caught.value.code


def test_provisioning_shows_the_token_once_and_keeps_its_hash(operator: User, site: Site) -> None:
    collector, token = enrolment.provision(site, "Router room", operator)
    kept = Collector.objects.get(pk=collector.pk)
    assert kept.token_hash == token.secret_hash
    assert token.secret.hex() not in str(vars(kept))
    assert RegistrationToken.from_text(token.to_text()) == token
    assert len(token.secret) * 8 >= 128
    assert kept.token_expires is not None
    assert abs(kept.token_expires - timezone.now() - timedelta(days=14)) < timedelta(minutes=5)
    last = Entry.objects.order_by("-sequence").first()
    assert last is not None
    assert (last.action, last.subject) == (Action.PROVISIONED, f"collector:{collector.reference}")


def test_a_member_that_is_not_approved_gets_no_collector(operator: User, site: Site) -> None:
    site.member.status = Member.Status.PENDING
    with pytest.raises(CyberAlarmError) as caught:
        enrolment.provision(site, "Collector", operator)
    assert caught.value.code == "member-not-approved"
    assert not Collector.objects.filter(site=site).exists()


def test_a_token_works_once(operator: User, site: Site) -> None:
    collector, token = enrolment.provision(site, "Collector", operator)
    key = SigningKey.generate()
    document = Enrolment.read(enrolment.enrol(ask(token, key)))
    assert document.collector == collector.reference
    assert document.receipt_key == centre_keys(settings.CONFIG).receipts.public
    assert [k.suite for k in document.analysis_keys] == [Suite.HYBRID, Suite.CLASSIC]
    kept = Collector.objects.get(pk=collector.pk)
    assert (kept.status, kept.version, kept.platform) == ("enrolled", "0.1.0", "linux")
    assert bytes(kept.public_key or b"") == key.public
    # The answer was lost: the same collector may ask again. Nobody else may.
    assert Enrolment.read(enrolment.enrol(ask(token, key))).collector == collector.reference
    assert refusal(ask(token)) == "token-used"
    assert bytes(Collector.objects.get(pk=collector.pk).public_key or b"") == key.public


def test_wrong_expired_and_renewed_tokens(operator: User, site: Site) -> None:
    collector, token = enrolment.provision(site, "Collector", operator)
    assert refusal(ask(replace(token, secret=b"x" * 24))) == "token-unknown"
    assert refusal(ask(replace(token, collector="c-nobody"))) == "token-unknown"
    renewed = enrolment.renew_token(collector, operator)
    assert refusal(ask(token)) == "token-unknown"
    Collector.objects.filter(pk=collector.pk).update(token_expires=timezone.now() - timedelta(seconds=1))
    assert refusal(ask(renewed)) == "token-expired"
    collector.refresh_from_db()
    enrolment.enrol(ask(enrolment.renew_token(collector, operator)))
    Collector.objects.filter(pk=collector.pk).update(status=Collector.Status.REVOKED)
    collector.refresh_from_db()
    assert refusal(ask(renewed)) == "token-unknown"
    with pytest.raises(CyberAlarmError) as caught:
        enrolment.renew_token(collector, operator)
    assert caught.value.code == "collector-revoked"


def test_a_revoked_collector_does_not_enrol(operator: User, site: Site) -> None:
    collector, token = enrolment.provision(site, "Collector", operator)
    Collector.objects.filter(pk=collector.pk).update(status=Collector.Status.REVOKED)
    assert refusal(ask(token)) == "collector-revoked"


def test_a_key_must_be_proven(operator: User, site: Site) -> None:
    _, token = enrolment.provision(site, "Collector", operator)
    request = ask(token)
    assert refusal(replace(request, public_key=SigningKey.generate().public)) == "request-signature"
    assert refusal(replace(request, public_key=b"short")) == "request-signature"
    assert refusal(replace(request, secret=b"y" * 24)) == "request-signature"


def test_an_enrolment_document_cannot_be_altered(operator: User, site: Site) -> None:
    _, token = enrolment.provision(site, "Collector", operator)
    document = enrolment.enrol(ask(token))
    with pytest.raises(SignatureRefused):
        Enrolment.read(document.replace(b'"next_sequence":1', b'"next_sequence":2'))


def test_the_centres_keys_are_private_and_stay_the_same() -> None:
    keys = centre_keys(settings.CONFIG)
    folder = settings.CONFIG.data / "keys"
    private = {"receipts.key", "analysis-x25519.key", "analysis-mlkem768-x25519.key", "tls-key.pem"}
    assert private <= {p.name for p in folder.iterdir()}
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in private)
    from cyberalarm.central.enrolment import keys as module

    module._loaded.clear()
    again = centre_keys(settings.CONFIG)
    assert (again.pin, again.receipts.public) == (keys.pin, keys.receipts.public)
    assert set(again.analysis) == set(keys.analysis)
