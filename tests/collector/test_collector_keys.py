"""A collector's signing key is replaced while bundles wait: none is lost, a kill at any step is mended by the next start, and a
thief of the old key has nothing."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector import key_change
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.errors import CentreRefusedError
from cyberalarm.collector.files import only_one
from cyberalarm.collector.keyring import Keyring
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import _Run
from cyberalarm.collector.service import Service
from cyberalarm.collector.spool import Link
from cyberalarm.envelope import sealing
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import sign_request
from cyberalarm.envelope.rotation import KeyChange
from tests.collector.failing_disk import Disk, Killed
from tests.collector.fake_centre import REFERENCE, problem
from tests.collector.members import Home, blocked, opened
from tests.collector.processes import cyberalarm, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre


def bundle(run: _Run | Service, number: int) -> None:
    pipeline = run.pipeline if isinstance(run, _Run) else run._pipeline
    pipeline.take(Chunk("gateway", blocked(number) + b"\n"))
    assert pipeline.close_bundle()


def drain(run: _Run) -> None:
    while (wait := run.shipper.step()) is not None:
        assert wait == 0.0, run.shipper.progress.trouble


def ask_for_a_new_key(service: Service) -> None:
    (service._config.data / "change-key").touch()
    service._ask_status()


def test_bundles_of_both_keys_are_taken_in_order(service: Service, member: Home, centre: FakeCentre) -> None:
    old = identities.signing_key(member.data)
    for number in range(3):
        bundle(service, number)
    ask_for_a_new_key(service)
    for number in range(3, 5):
        bundle(service, number)
    assert not (member.data / "change-key").exists()
    waiting = [path.read_bytes() for path in sorted((member.data / "spool").glob("*.env"))]
    new = Keyring(member.data).following
    assert new is not None
    assert [sealing.verify(raw, key).sequence for raw, key in zip(waiting, [old.verify_key] * 3, strict=False)] == [
        1,
        2,
        3,
    ]
    assert [sealing.verify(raw, new.key.verify_key).sequence for raw in waiting[3:]] == [4, 5]
    while service._shipper.step() is not None:
        continue
    assert [one.sequence for one in centre.taken] == [1, 2, 3, 4, 5]
    assert identities.signing_key(member.data).public == new.key.public == centre.collectors[REFERENCE] != old.public
    assert list(member.data.glob("signing*")) == [member.data / "signing.key"], "nothing is left of the change"
    service._ask_status()
    bundle(service, 9)
    assert service._shipper.step() == 0.0


def test_the_old_key_is_worth_nothing_afterwards(service: Service, member: Home, centre: FakeCentre) -> None:
    thief = identities.signing_key(member.data)
    bundle(service, 1)
    ask_for_a_new_key(service)
    centre.answers.append(problem(503, "busy"))
    service._shipper.step()  # announced; the bundle of before still waits
    [waits] = (member.data / "spool").glob("*.env")
    theirs = Centre(centre.url, centre.pin)
    with pytest.raises(CentreRefusedError, match="signature-refused"):
        theirs.envelope(waits.read_bytes())  # even a copy of an honest one needs the new key's word
    header = sealing.Header(REFERENCE, 1, sealing.FIRST_PREVIOUS, 1, 0, 0)
    forged = sealing.seal(b"", header, identities.load(member.data).analysis_key, thief)
    with pytest.raises(CentreRefusedError, match="signature-refused"):
        theirs.envelope(forged, "A" * 86)
    change = KeyChange.new(REFERENCE, SigningKey.generate(), 2)
    headers = sign_request(thief, REFERENCE, "POST", "/api/collector/v1/key", change.to_bytes(), centre.now())
    with pytest.raises(CentreRefusedError, match="request-signature"):
        theirs.change_key(change.to_bytes(), headers)
    assert service._shipper.step() == 0.0
    assert [one.sequence for one in centre.taken] == [1]


def change_and_ship(disk: Disk, config_of: Home) -> None:
    """Two bundles, a change, one more, all sent: what a collector does, in the order in which it does it."""
    run = _Run(config_of.config, 5)
    keys = Keyring(config_of.data)
    run.shipper._keys = keys
    bundle(run, 1)
    bundle(run, 2)
    run.pipeline.sealer = _following(run, keys)
    bundle(run, 3)
    while run.shipper.step() is not None:
        continue
    run.shipper.step()


def _following(run: _Run, keys: Keyring):
    from dataclasses import replace

    return replace(run.pipeline.sealer, key=keys.current, following=keys.begin(run.spool.head))


def test_killed_at_every_step_of_a_change(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    shutil.copytree(member.data, fresh)
    beginning = centre.collectors[REFERENCE]
    with Disk(member.data).watched() as whole:
        change_and_ship(whole, member)
    length = len(whole.steps)
    assert length > 50
    assert any("signing-from" in str(step) for step in whole.steps)
    for cut in range(length):
        shutil.rmtree(member.data)
        shutil.copytree(fresh, member.data)
        centre.collectors[REFERENCE], centre.earlier = beginning, []
        centre.sequence, centre.head = 0, sealing.FIRST_PREVIOUS
        centre.taken.clear()
        centre.receipts.clear()
        with Disk(member.data, cut).watched() as disk, suppress(Killed):
            change_and_ship(disk, member)
        run = _Run(member.config, 5)  # the next start
        spooled = run.spool.head.sequence
        bundle(run, 90)
        drain(run)
        drain(run)
        assert [one.sequence for one in centre.taken] == list(range(1, spooled + 2)), f"after {cut} steps"
        assert not Keyring(member.data).pending
        assert identities.signing_key(member.data).public == centre.collectors[REFERENCE]


def test_an_answer_that_was_lost_is_asked_for_again(service: Service, member: Home, centre: FakeCentre) -> None:
    ask_for_a_new_key(service)
    honest = service._shipper._centre.change_key
    lost: list[bytes] = []

    def lose(body: bytes, headers: dict[str, str]) -> bytes:
        lost.append(honest(body, headers))
        raise OSError(5, "The cable was pulled")

    service._shipper._centre.change_key = lose  # type: ignore[method-assign]
    bundle(service, 1)
    assert service._shipper.step()
    assert lost
    service._shipper._centre.change_key = honest  # type: ignore[method-assign]
    assert service._shipper.step() == 0.0
    assert centre.lines == 1
    service._ask_status()


def test_the_key_is_replaced_when_it_is_old(member: Home, centre: FakeCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(member.config) as service:
        before = identities.signing_key(member.data).public
        service._ask_status()
        assert not service._keys.pending
        monkeypatch.setattr(service._keys, "age_days", lambda now: 366.0)
        centre.knows_nonces = False
        service._ask_status()
        assert not service._keys.pending, "a centre that does not know of it is not bothered"
        centre.knows_nonces = True
        service._ask_status()
        assert service._keys.pending
        service._shipper.step()
        assert identities.signing_key(member.data).public != before
    never = member.config.model_copy(update={"signing_key_days": 0})
    assert not key_change.wanted(never, Keyring(member.data))


def test_the_command_where_no_collector_runs(member: Home, centre: FakeCentre) -> None:
    before = identities.signing_key(member.data).public
    done = cyberalarm("collector", "rotate-key", "--config", str(member.path))
    assert done.returncode == 0, done.stderr
    assert "by its new key now" in done.stdout
    assert identities.signing_key(member.data).public == centre.collectors[REFERENCE] != before
    centre.knows_nonces = False
    refused = cyberalarm("collector", "rotate-key", "--config", str(member.path))
    assert (refused.returncode, "key-change-unknown" in refused.stderr) == (3, True)


def test_the_command_reaches_a_collector_that_runs(
    member: Home, centre: FakeCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyberalarm.collector.service._STATUS_SECONDS", 0.2)
    stop = threading.Event()

    def work() -> None:
        with only_one(member.data):
            Service(member.config).run(stop)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_for("the collector", lambda: centre.asked_status > 0)
        assert key_change.rotate(member.config, "0.1.0", 30)
        assert identities.signing_key(member.data).public == centre.collectors[REFERENCE]
    finally:
        stop.set()
        thread.join(30)


def test_enrolling_again_in_the_middle_of_a_change(member: Home, centre: FakeCentre) -> None:
    """With bundles of both keys waiting the change goes on; without any it is forgotten."""
    run = _Run(member.config, 5)
    bundle(run, 1)
    keys = Keyring(member.data)
    run.pipeline.sealer = _following(run, keys)
    bundle(run, 2)
    enrol(member.config, centre.token().to_text())
    again = _Run(member.config, 5)
    assert again.shipper._keys is not None
    assert again.shipper._keys.pending
    drain(again)
    assert [one.sequence for one in centre.taken] == [1, 2]
    drain(again)
    Keyring(member.data).begin(Link(2, "ab" * 32))
    enrol(member.config, centre.token().to_text())
    assert Keyring(member.data).following is None
