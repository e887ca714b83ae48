"""The centre's keys and its collectors' keys as the centre keeps them: killed at every step, announced and due, and who may
change what.
"""

from __future__ import annotations

import shutil
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.audit.services import verify_chain
from cyberalarm.central.config import CentralConfig
from cyberalarm.central.enrolment import key_rotation, keys, services
from cyberalarm.central.enrolment.collector_keys import MOST_CHANGES
from cyberalarm.central.enrolment.key_rotation import NOTICE, CentreKey
from cyberalarm.central.enrolment.keys import CentreKeys, centre_keys
from cyberalarm.central.enrolment.models import CollectorKey
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope.files import write_secret
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import SignedRequest, sign_request
from cyberalarm.envelope.rotation import KeyChange, KeyChanged, descendants
from tests.collector.failing_disk import Disk, Killed
from tests.ingest.ingest_sender import now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ingest.ingest_sender import Sender

PATH = "/api/collector/v1/key"


@pytest.fixture
def config(migrated: None, tmp_path: Path) -> CentralConfig:
    """A centre's keys in a folder of their own; the audit is the tests' own."""
    made = CentralConfig(data=tmp_path / "data")
    centre_keys(made)
    return made


def again(config: CentralConfig) -> CentreKeys:
    """As a process that begins."""
    keys._loaded.clear()
    return centre_keys(config)


def usable(found: CentreKeys, before: CentreKeys) -> None:
    assert before.analysis.keys() <= found.analysis.keys(), "what was sealed before still opens"
    assert {key.key_id for key in found.analysis_public} <= found.analysis.keys()
    assert found.receipts.verify_key in descendants([before.receipts.verify_key], found.successions)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(found.certificate.certificate, found.certificate.key)
    assert found.pin in {before.pin, before.next_pin}


@pytest.mark.parametrize("which", CentreKey)
def test_killed_at_every_step(config: CentralConfig, which: CentreKey) -> None:
    folder = config.data / "keys"
    if which is not CentreKey.ANALYSIS:
        key_rotation.rotate(config, which, None, "Because.")
    before = again(config)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    with Disk(folder.resolve()).watched() as whole:
        key_rotation.rotate(config, which, None, "Because.", now=True)
    done = again(config)
    usable(done, before)
    assert (done.receipts.public, done.pin, done.analysis_public) != (
        before.receipts.public,
        before.pin,
        before.analysis_public,
    )
    assert len(whole.steps) > 2
    for cut in range(len(whole.steps)):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        again(config)
        with Disk(folder.resolve(), cut).watched(), suppress(Killed):
            key_rotation.rotate(config, which, None, "Because.", now=True)
        usable(again(config), before)
        key_rotation.rotate(config, which, None, "Because.", now=True)
        usable_but_for_the_pin = again(config)
        assert before.analysis.keys() <= usable_but_for_the_pin.analysis.keys()
        assert usable_but_for_the_pin.receipts.verify_key in descendants(
            [before.receipts.verify_key], usable_but_for_the_pin.successions
        )
    verify_chain()


@pytest.mark.parametrize("which", [CentreKey.RECEIPTS, CentreKey.CERTIFICATE])
def test_announced_then_used_when_it_is_due(config: CentralConfig, which: CentreKey) -> None:
    before = centre_keys(config)
    due = key_rotation.rotate(config, which, None, "Because.")
    now = datetime.now(UTC)
    assert due is not None
    assert abs(due - now - NOTICE) < timedelta(minutes=5)
    announced = centre_keys(config)
    assert (announced.receipts.public, announced.pin) == (before.receipts.public, before.pin)
    trust = announced.trust("ab" * 16)
    assert len(trust.pins) + len(trust.receipt_keys) == 3
    assert key_rotation.carry_out_due(config, now + NOTICE - timedelta(hours=1)) == []
    assert key_rotation.carry_out_due(config, now + NOTICE + timedelta(hours=1)) == [which]
    after = centre_keys(config)
    following = announced.next_receipts
    assert (after.receipts.public if following else after.pin) == (
        following.public if following else announced.next_pin
    )
    assert after.next_receipts is None
    assert not after.next_pin
    assert key_rotation.carry_out_due(config, now + 9 * NOTICE) == []
    acts = list(Entry.objects.filter(subject=f"key:{which}").order_by("sequence").values_list("action", flat=True))
    assert acts[-2:] == [Action.CENTRE_KEY_ANNOUNCED, Action.CENTRE_KEY_CHANGED]


def test_notice_is_as_long_as_tokens_live() -> None:
    assert services.TOKEN_LIFETIME == NOTICE


def test_a_certificate_of_the_operator_s_own(config: CentralConfig, tmp_path: Path) -> None:
    from cyberalarm.envelope import certificate

    with pytest.raises(CyberAlarmError, match="does not hold a certificate"):
        key_rotation.rotate(config, CentreKey.CERTIFICATE, None, "Because.", files=tmp_path)
    assert key_rotation.since(config, CentreKey.CERTIFICATE) is None
    own = certificate.make(tmp_path / "own", ["centre.example.org"])
    key_rotation.rotate(config, CentreKey.CERTIFICATE, None, "Because.", now=True, files=tmp_path / "own")
    assert again(config).pin == certificate.pin(own.certificate.read_bytes())
    stranger = certificate.make(tmp_path / "other", ["x.example"])
    write_secret(own.certificate, stranger.certificate.read_bytes())
    with pytest.raises(CyberAlarmError, match="does not hold a certificate"):
        key_rotation.rotate(config, CentreKey.CERTIFICATE, None, "Because.", files=tmp_path / "own")


def test_a_reason_is_needed_and_keys_stay_private(config: CentralConfig) -> None:
    with pytest.raises(CyberAlarmError, match="reason"):
        key_rotation.rotate(config, CentreKey.ANALYSIS, None, "  ")
    for which in CentreKey:
        key_rotation.rotate(config, which, None, "Because.")
    for path in (config.data / "keys").rglob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert (config.data / "keys" / "next").stat().st_mode & 0o077 == 0


def changed(sender: Sender, change: KeyChange, by: SigningKey) -> KeyChanged:
    raw = change.to_bytes()
    headers = sign_request(by, sender.enrolment.collector, "POST", PATH, raw, now_ms())
    document = services.change_key(SignedRequest.read(headers), PATH, change, raw)
    return KeyChanged.read(document, centre_keys(settings.CONFIG).receipts.verify_key)


def refused(sender: Sender, change: KeyChange, by: SigningKey) -> str:
    with pytest.raises(CyberAlarmError) as caught:
        changed(sender, change, by)
    return caught.value.code


def test_who_may_change_a_collector_s_key(sender: Sender, new_sender) -> None:
    reference, new = sender.enrolment.collector, SigningKey.generate()
    good = KeyChange.new(reference, new, 5)
    assert refused(sender, good, SigningKey.generate()) == "request-signature"
    assert refused(sender, good, new_sender().key) == "request-signature"
    theirs = KeyChange.new(new_sender().enrolment.collector, new, 5)
    assert refused(sender, theirs, sender.key) == "request-malformed"
    unproven = KeyChange(reference, new.public, 5, SigningKey.generate().sign(b"x"))
    assert refused(sender, unproven, sender.key) == "request-signature"
    said = changed(sender, good, sender.key)
    assert (said.first, said.public_key) == (5, new.public)
    # Once more, as after an answer that was lost: by the old key or the new one, and nothing changes.
    assert changed(sender, good, sender.key) == changed(sender, good, new) == said
    assert refused(sender, KeyChange.new(reference, SigningKey.generate(), 6), sender.key) == "request-signature"
    assert refused(sender, KeyChange.new(reference, sender.key, 9), new) == "key-change-refused"
    rows = CollectorKey.objects.filter(collector__reference=reference)
    assert [(row.first, bytes(row.public_key)) for row in rows] == [(1, sender.key.public), (5, new.public)]
    acts = Entry.objects.filter(subject=f"collector:{reference}", action=Action.COLLECTOR_KEY_CHANGED)
    assert [entry.who for entry in acts] == [f"collector {reference} itself"]
    verify_chain()


def test_keys_are_not_changed_without_end(sender: Sender) -> None:
    reference, present = sender.enrolment.collector, sender.key
    for number in range(MOST_CHANGES - 1):  # enrolling was one
        following = SigningKey.generate()
        changed(sender, KeyChange.new(reference, following, number + 2), present)
        present = following
    assert refused(sender, KeyChange.new(reference, SigningKey.generate(), 99), present) == "busy"


def test_a_stopped_collector_may_change_its_key_and_a_revoked_one_not(sender: Sender) -> None:
    reference, new = sender.enrolment.collector, SigningKey.generate()
    rows = Collector.objects.filter(reference=reference)
    rows.update(status=Collector.Status.STOPPED)
    changed(sender, KeyChange.new(reference, new, 2), sender.key)
    assert rows.get().status == Collector.Status.STOPPED
    assert rows.get().key_since is not None
    rows.update(status=Collector.Status.REVOKED)
    assert refused(sender, KeyChange.new(reference, SigningKey.generate(), 3), new) == "collector-revoked"
