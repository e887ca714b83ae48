"""Pack releases at the centre: published when signed, newer and faultless; named in the status; given to collectors only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils import timezone

from cyberalarm.central.accounts.models import User
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.config import CentralConfig
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.members.models import Collector
from cyberalarm.central.portal.services import collector_view
from cyberalarm.central.releases import services
from cyberalarm.central.releases.errors import ReleaseUnknownError
from cyberalarm.central.releases.models import PackRelease
from cyberalarm.central.site.health import _packs
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError, RefusedError
from cyberalarm.envelope import releases
from cyberalarm.envelope.documents import Enrolment, Offer, Status
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import EnrolmentRequest, InUse, sign_request
from cyberalarm.envelope.revocations import revoke
from tests.collector.pack_releases import FAULTY, NAME, release
from tests.ingest.ingest_client import API, code
from tests.ingest.ingest_sender import Sender, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

    from cyberalarm.central.members.models import Site

KEY, OTHER = SigningKey.generate(), SigningKey.generate()


@pytest.fixture(autouse=True)
def trusting(migrated: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A centre that trusts one release key and has published nothing."""
    config = settings.CONFIG.model_copy(update={"release_keys": [KEY.verify_key.to_text()]})
    monkeypatch.setattr(settings, "CONFIG", config)
    monkeypatch.setattr(services, "_fetches", services.Fetches(services.MOST_FETCHES, services.FETCH_SECONDS))
    PackRelease.objects.all().delete()
    yield
    PackRelease.objects.all().delete()


def published(number: int = 1, **changed: object) -> bytes:
    raw = release(KEY, number, **changed)  # type: ignore[arg-type]
    services.publish(raw, None, "A test.")
    return raw


def ask(
    client: urllib3.HTTPSConnectionPool, sender: Sender, sha256: str, *, signed_path: str = ""
) -> urllib3.BaseHTTPResponse:
    path = API + "packs/" + sha256
    headers = sign_request(sender.key, sender.enrolment.collector, "GET", signed_path or path, b"", now_ms())
    return client.request("GET", path, headers=headers)


def status(client: urllib3.HTTPSConnectionPool, sender: Sender, query: str = "") -> Status:
    path = API + "status" + query
    headers = sign_request(sender.key, sender.enrolment.collector, "GET", path, b"", now_ms())
    return Status.read(client.request("GET", path, headers=headers).data, sender.receipt_key)


def test_what_is_published_stands_in_the_status_and_is_given_out(
    client: urllib3.HTTPSConnectionPool, sender: Sender
) -> None:
    assert status(client, sender).release is None
    raw = published(7)
    sha256 = releases.digest(raw)
    assert status(client, sender).release == Offer(7, sha256, len(raw))
    answer = ask(client, sender, sha256)
    assert (answer.status, answer.data) == (200, raw)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    newer = published(8)
    assert code(ask(client, sender, sha256)) == "release-unknown", "only the current one"
    assert ask(client, sender, releases.digest(newer)).data == newer
    services.withdraw(None, "It was wrong.")
    assert status(client, sender).release is None
    assert code(ask(client, sender, releases.digest(newer))) == "release-unknown"


def test_nobody_else_gets_packs(client: urllib3.HTTPSConnectionPool, new_sender: Callable[[], Sender]) -> None:
    sender, revoked = new_sender(), new_sender()
    sha256 = releases.digest(published())
    assert code(client.request("GET", API + "packs/" + sha256)) == "request-unsigned"
    assert code(ask(client, sender, sha256, signed_path=API + "status")) == "request-signature"
    assert code(ask(client, Sender(sender.enrolment, SigningKey.generate()), sha256)) == "request-signature"
    assert code(client.request("POST", API + "packs/" + sha256, body=b"")) == "method-not-allowed"
    Collector.objects.filter(reference=revoked.enrolment.collector).update(status=Collector.Status.REVOKED)
    assert code(ask(client, revoked, sha256)) == "collector-revoked"


@pytest.mark.parametrize("name", ["0" * 64, "x", "..%2fcentral.sqlite3", "%00"])
def test_only_digests_of_the_current_release_are_answered(
    client: urllib3.HTTPSConnectionPool, sender: Sender, name: str
) -> None:
    published()
    assert ask(client, sender, name).status == 404


def test_a_collector_that_asks_again_and_again_is_told_to_wait(
    client: urllib3.HTTPSConnectionPool, new_sender: Callable[[], Sender]
) -> None:
    greedy, other = new_sender(), new_sender()
    sha256 = releases.digest(published())
    for _ in range(services.MOST_FETCHES):
        assert ask(client, greedy, sha256).status == 200
    refused = ask(client, greedy, sha256)
    assert code(refused) == "busy"
    assert refused.headers["Retry-After"]
    assert ask(client, other, sha256).status == 200


def test_fetches_are_counted_for_a_while_only() -> None:
    fetches = services.Fetches(2, 0.0)
    for _ in range(5):
        fetches.count(1)
    lasting = services.Fetches(2, 1e9)
    lasting.count(1)
    lasting.count(1)
    with pytest.raises(CyberAlarmError, match="too often"):
        lasting.count(1)
    lasting.count(2)


@pytest.mark.parametrize(
    ("raw", "refused"),
    [
        (release(OTHER, 9), "release-key-unknown"),
        (release(KEY, 9)[:-1], "release-malformed"),
        (release(KEY, 9).replace(b'"number":9', b'"number":8'), "release-signature"),
        (release(KEY, 9, FAULTY), "release-lint"),
        (release(KEY, 9, program="99.0"), "release-program"),
        (release(KEY, 4), "release-older"),
        (release(KEY, 5, version=2), "release-conflict"),
        (b"", "release-malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_not_published(raw: bytes, refused: str) -> None:
    published(5)
    acts = Entry.objects.count()
    with pytest.raises(RefusedError) as caught:
        services.publish(raw, None, "A test.")
    assert caught.value.code == refused
    assert Entry.objects.count() == acts
    current = services.current()
    assert current is not None
    assert current.number == 5


def test_without_a_release_key_nothing_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONFIG", settings.CONFIG.model_copy(update={"release_keys": []}))
    with pytest.raises(ConfigurationError, match="No release key is named"):
        services.publish(release(KEY), None, "A test.")


def test_withdrawing_does_not_bring_an_older_one_back_but_the_same_may_be_published_again() -> None:
    published(5)
    raw = published(6)
    services.withdraw(None, "It was wrong.")
    assert services.current() is None
    with pytest.raises(ReleaseUnknownError):
        services.withdraw(None, "Again.")
    with pytest.raises(RefusedError):
        services.publish(release(KEY, 5), None, "Back.")
    services.publish(raw, None, "It was right.")
    assert services.offer() == Offer(6, releases.digest(raw), len(raw))


def test_a_revoked_key_counts_no_more_nor_do_its_releases_and_numbers(
    client: urllib3.HTTPSConnectionPool, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"release_keys": [KEY.verify_key.to_text(), OTHER.verify_key.to_text()]}
    monkeypatch.setattr(settings, "CONFIG", settings.CONFIG.model_copy(update=both))
    services.publish(release(OTHER, 5), None, "A test.")
    stolen = published(2**60)
    assert status(client, sender).revoked == ()
    revoked = CentralConfig.model_validate({**both, "revoked_release_keys": [revoke(KEY)]})
    changed = {"revoked_release_keys": revoked.revoked_release_keys}
    monkeypatch.setattr(settings, "CONFIG", settings.CONFIG.model_copy(update=changed))
    told = status(client, sender)
    assert told.revoked == (revoke(KEY),)
    assert told.release is not None
    assert told.release.number == 5, "the spare key's newest, which collectors take again"
    assert code(ask(client, sender, releases.digest(stolen))) == "release-unknown"
    with pytest.raises(RefusedError) as refused:
        services.publish(release(KEY, 6), None, "A test.")
    assert refused.value.code == "release-key-unknown"
    services.publish(release(OTHER, 6), None, "Numbers go on where the spare key was.")
    assert enrolment.configuration().trusted_release_keys == (OTHER.verify_key,), "what collectors learn that enrol"


def test_only_a_revocation_may_stand_in_the_configuration() -> None:
    with pytest.raises(ValueError, match="formats release revocation"):
        CentralConfig.model_validate({"revoked_release_keys": [KEY.verify_key.to_text()]})


def test_acts_are_audited() -> None:
    published(3)
    services.withdraw(None, "It was wrong.")
    told = Entry.objects.order_by("-sequence").values_list("action", "subject", "why")[:2]
    assert list(told) == [
        (Action.PACKS_WITHDRAWN, "release:3", "It was wrong."),
        (Action.PACKS_PUBLISHED, "release:3", "A test."),
    ]


def test_what_a_collector_says_that_it_uses_is_kept_and_shown(
    client: urllib3.HTTPSConnectionPool, sender: Sender, site: Site
) -> None:
    reference = sender.enrolment.collector

    def shown() -> tuple[str, str]:
        found = Collector.objects.get(reference=reference)
        view = collector_view(found, timezone.now())
        return view.version, view.packs

    status(client, sender)
    assert shown()[1] == "not known yet"
    status(client, sender, "?" + InUse("1.2.3", 0, "release-lint").to_query())
    assert shown() == ("1.2.3", "those of its program; a release is not used: code release-lint")
    told = _packs()
    assert not told.good
    assert "Some do not use a release: release-lint 1." in told.words
    status(client, sender, "?" + InUse("1.2.4", 7).to_query())
    assert shown() == ("1.2.4", "release 7")
    assert "release 7: 1" in _packs().words
    assert _packs().good
    for not_understood in (
        "",
        "?release=8",
        "?program=1&release=-1",
        "?program=%3Cb%3E&release=9",
        "?release=" + "9" * 40,
    ):
        status(client, sender, not_understood)
        assert shown() == ("1.2.4", "release 7"), not_understood
    path = API + "status?" + InUse("6.6.6", 9).to_query()
    headers = sign_request(sender.key, reference, "GET", API + "status", b"", now_ms())
    assert code(client.request("GET", path, headers=headers)) == "request-signature", "it is signed like the rest"
    assert shown() == ("1.2.4", "release 7")
    token = enrolment.renew_token(Collector.objects.get(reference=reference), User.objects.first())  # type: ignore[arg-type]
    enrolment.enrol(EnrolmentRequest.new(token, SigningKey.generate(), "1.0.0", "linux"))
    assert shown() == ("1.0.0", "not known yet"), "another machine"


def test_collectors_that_enrol_learn_the_release_keys(operator: User, site: Site) -> None:
    _, token = enrolment.provision(site, "Collector", operator)
    request = EnrolmentRequest.new(token, SigningKey.generate(), "0.1.0", "linux")
    assert Enrolment.read(enrolment.enrol(request)).release_keys == (KEY.verify_key,)


def test_the_operator_sees_what_is_published() -> None:
    assert "No pack release" in _packs().words
    published(4)
    check = _packs()
    assert check.good
    assert check.words.startswith("Release 4 with 1 packs, published on ")
    assert services.current().packs == {NAME: 1}  # type: ignore[union-attr]
