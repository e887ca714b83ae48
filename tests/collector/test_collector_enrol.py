"""Enrolling at a centre over real HTTPS: the one pasted line, everything that is wrong with it, and doing it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.errors import (
    BusyFolderError,
    CentreRefusedError,
    CentreUnreachableError,
    ChainBrokenError,
    NotEnrolledError,
)
from cyberalarm.collector.files import only_one
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import _Run
from cyberalarm.collector.spool import Link, Spool
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope.errors import TokenMalformed
from cyberalarm.envelope.tokens import RegistrationToken
from tests.collector.members import Home, blocked
from tests.collector.processes import cyberalarm

if TYPE_CHECKING:
    from tests.collector.fake_centre import FakeCentre


def spooled(home: Home, *numbers: int) -> _Run:
    run = _Run(home.config, 5)
    for number in numbers:
        run.pipeline.take(Chunk("gateway", blocked(number) + b"\n"))
        run.pipeline.close_bundle()
    return run


def send(run: _Run, bundles: int = 1) -> None:
    for _ in range(bundles):
        assert run.shipper.step() == 0.0


def test_enrolled_by_the_command_with_a_token_from_a_mail(home: Home, centre: FakeCentre) -> None:
    token = centre.token().to_text()
    wrapped = "\r\n  ".join(token[at : at + 60] for at in range(0, len(token), 60))
    done = cyberalarm("collector", "enrol", "-", "--config", str(home.path), given=wrapped)
    assert (done.returncode, done.stdout) == (0, f"Enrolled as c-test at {centre.url}.\n"), done.stderr
    identity = identities.load(home.data)
    assert (identity.pin, identity.receipt_key) == (centre.pin, centre.receipt_key.verify_key)
    assert identity.analysis_key == centre.analysis[0].public
    assert identities.signing_key(home.data).public == centre.collectors["c-test"]
    for path in home.data.iterdir():
        assert path.stat().st_mode & 0o077 == 0 or path.name == "lock"
    assert token not in "".join(p.read_text() for p in home.data.glob("*.json"))


@pytest.mark.parametrize(
    "harm", [lambda t: t[:-3], lambda t: t[:40], lambda t: t.replace("ca1", "ca9"), lambda t: "", lambda t: "x"]
)
def test_a_token_that_was_cut_off(home: Home, centre: FakeCentre, harm) -> None:
    with pytest.raises(TokenMalformed) as said:
        enrol(home.config, harm(centre.token().to_text()))
    assert "copy" in said.value.next_step.lower()
    assert not home.data.exists()


def test_a_token_that_another_used(home: Home, centre: FakeCentre, tmp_path) -> None:
    token = centre.token().to_text()
    enrol(Home.make(tmp_path / "other").config, token)
    done = cyberalarm("collector", "enrol", token, "--config", str(home.path))
    assert done.returncode == 3
    assert "(code: token-used)" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(NotEnrolledError):
        identities.load(home.data)


def test_a_token_that_the_centre_does_not_know(home: Home, centre: FakeCentre) -> None:
    with pytest.raises(CentreRefusedError) as said:
        enrol(home.config, RegistrationToken.new(centre.url, centre.pin, "c-test").to_text())
    assert said.value.code == "token-unknown"


def test_another_server_does_not_get_the_token(home: Home, centre: FakeCentre) -> None:
    forged = RegistrationToken(centre.url, "ab" * 32, "c-test", centre.token().secret)
    with pytest.raises(CentreUnreachableError, match="not the one that the registration token names"):
        enrol(home.config, forged.to_text())
    assert not centre.used


def test_nobody_there(home: Home, closed_port: int) -> None:
    token = RegistrationToken.new(f"https://127.0.0.1:{closed_port}", "ab" * 32, "c-test")
    with pytest.raises(CentreUnreachableError, match="Connection refused"):
        enrol(home.config, token.to_text())


def test_an_answer_for_another_collector_is_refused(home: Home, centre: FakeCentre, monkeypatch) -> None:
    token = centre.token()
    other = Centre(centre.url, centre.pin)
    theirs = centre.token("c-other")
    monkeypatch.setattr(Centre, "enrol", lambda _self, _request: _document(other, theirs))
    with pytest.raises(CentreRefusedError) as said:
        enrol(home.config, token.to_text())
    assert said.value.code == "enrolment-other"


def _document(centre: Centre, token: RegistrationToken) -> bytes:
    from cyberalarm.envelope.keys import SigningKey
    from cyberalarm.envelope.requests import EnrolmentRequest

    return centre._send(
        "POST", "/api/collector/v1/enrol", EnrolmentRequest.new(token, SigningKey.generate(), "", "").to_bytes(), {}
    )


def test_not_while_it_runs(home: Home, centre: FakeCentre) -> None:
    with only_one(home.data), pytest.raises(BusyFolderError):
        enrol(home.config, centre.token().to_text())


def test_again_with_bundles_that_wait(member: Home, centre: FakeCentre) -> None:
    """The key stays, so what is in the spool stays good; also when the receipt of the oldest was lost."""
    run = spooled(member, 1, 2, 3)
    _, oldest = run.spool.next()  # type: ignore[misc]
    centre.take(oldest)
    key = identities.signing_key(member.data).public
    enrol(member.config, centre.token().to_text())
    assert identities.signing_key(member.data).public == key
    send(_Run(member.config, 5), 3)
    assert (centre.lines, centre.sequence) == (3, 3)


def test_on_a_new_machine_the_chain_goes_on(member: Home, centre: FakeCentre, tmp_path) -> None:
    send(spooled(member, 1, 2), 2)
    moved = Home.make(tmp_path / "moved")
    enrol(moved.config, centre.token().to_text())
    send(spooled(moved, 3))
    assert [one.sequence for one in centre.taken] == [1, 2, 3]


def restored_from_backup(member: Home, centre: FakeCentre) -> _Run:
    """The spool is that of yesterday: it puts envelopes at places that the centre has taken already."""
    spool = member.data / "spool"
    run = spooled(member, 1)
    backup = {path.name: path.read_bytes() for path in spool.iterdir()}
    send(run)
    send(spooled(member, 2, 3), 2)
    for path in spool.iterdir():
        path.unlink()
    for name, content in backup.items():
        (spool / name).write_bytes(content)
    return spooled(member, 4, 5)


def test_a_collector_that_was_restored_from_a_backup(member: Home, centre: FakeCentre) -> None:
    run = restored_from_backup(member, centre)
    send(run)  # the centre has this very one, and says so again
    assert run.shipper.step() == 600.0
    assert run.shipper.progress.trouble_code == "envelope-replayed"
    assert "restoring a backup" in run.shipper.progress.trouble
    assert run.spool.waiting == 2
    with pytest.raises(ChainBrokenError, match="2 bundles wait in the spool, but they do not follow") as said:
        enrol(member.config, centre.token().to_text())
    assert "--set-aside" in said.value.next_step
    assert Spool(member.data / "spool", 10**9).waiting == 2
    token = centre.token().to_text()
    done = cyberalarm("collector", "enrol", token, "--set-aside", "--config", str(member.path))
    assert done.returncode == 0, done.stderr
    [aside] = member.data.glob("spool-set-aside-*")
    assert len(list(aside.glob("*.env"))) == 2
    send(spooled(member, 6))
    assert [one.sequence for one in centre.taken] == [1, 2, 3, 4]


def test_a_spool_that_lost_a_file_can_be_left_behind(member: Home, centre: FakeCentre) -> None:
    spooled(member, 1, 2, 3)
    (member.data / "spool" / f"{2:020d}.env").unlink()
    enrol(member.config, centre.token().to_text(), aside=True)
    send(spooled(member, 4))
    assert centre.sequence == 1


def test_the_folder_of_another_collector(member: Home, centre: FakeCentre) -> None:
    run = spooled(member, 1)
    with pytest.raises(ChainBrokenError, match="another collector's"):
        enrol(member.config, centre.token("c-second").to_text())
    assert identities.load(member.data).collector == "c-test"
    send(run)
    centre.sequence, centre.head = 0, "0" * 64
    assert enrol(member.config, centre.token("c-second").to_text()).collector == "c-second"
    assert Spool(member.data / "spool", 10**9).head == Link(0, "0" * 64)


def test_an_identity_that_is_damaged_or_without_its_key(member: Home) -> None:
    key = member.data / "signing.key"
    key.rename(member.data / "elsewhere")
    with pytest.raises(NotEnrolledError, match=r"key .* is missing"):
        identities.signing_key(member.data)
    assert not key.exists(), "a running collector never makes itself another key"
    (member.data / "identity.json").write_text('{"collector": 1}')
    with pytest.raises(ConfigurationError, match="damaged"):
        identities.load(member.data)
