"""What the centre says counts only as an answer of now: an old status played back changes nothing, and a stop outlives a
restart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector.errors import CentreRefusedError
from cyberalarm.envelope.errors import SignatureRefused
from cyberalarm.envelope.keys import AnalysisKey, SigningKey
from cyberalarm.envelope.rotation import succession
from tests.collector.members import Home, opened

if TYPE_CHECKING:
    from cyberalarm.collector.service import Service
    from tests.collector.fake_centre import FakeCentre


class Tape:
    """Something between collector and centre that keeps an answer and plays it back."""

    def __init__(self, service: Service) -> None:
        self._honest = service._centre.status
        self.kept: bytes | None = None
        self.playing = False
        service._centre.status = self._status  # type: ignore[method-assign]

    def _status(self, *question: object) -> bytes:
        if self.playing:
            assert self.kept is not None
            return self.kept
        self.kept = self._honest(*question)  # type: ignore[arg-type]
        return self.kept


@pytest.mark.parametrize("knows_nonces", [True, False])
def test_an_old_status_neither_lifts_a_stop_nor_brings_back_a_key(
    service: Service, member: Home, centre: FakeCentre, knows_nonces: bool
) -> None:
    centre.knows_nonces = knows_nonces
    tape = Tape(service)
    service._ask_status()
    free = tape.kept
    centre.held = True
    centre.analysis = [AnalysisKey.generate(), *centre.analysis]
    centre.clock_ms += 5
    service._ask_status()
    assert service._shipper.hold
    tape.kept, tape.playing = free, True
    with pytest.raises(CentreRefusedError) as refused:
        service._ask_status()
    assert refused.value.code == "status-old"
    assert service._shipper.hold
    assert identities.load(member.data).analysis_key == centre.analysis[0].public
    tape.playing, centre.held = False, False
    centre.clock_ms += 5
    service._ask_status()
    assert not service._shipper.hold


def test_a_status_of_a_centre_that_knew_no_nonces_cannot_be_played_back_to_one_that_does(
    service: Service, centre: FakeCentre
) -> None:
    centre.knows_nonces = False
    tape = Tape(service)
    service._ask_status()
    free = tape.kept
    centre.knows_nonces, centre.held = True, True
    centre.clock_ms += 5
    service._ask_status()
    tape.kept, tape.playing = free, True
    with pytest.raises(CentreRefusedError):
        service._ask_status()
    assert service._shipper.hold


def test_a_centre_whose_clock_was_set_back_is_still_believed(service: Service, centre: FakeCentre) -> None:
    service._ask_status()
    centre.clock_ms, centre.held = -60_000, True
    service._ask_status()
    assert service._shipper.hold


@pytest.mark.parametrize("too_old", [True, False])
def test_a_stop_outlives_a_restart(member: Home, centre: FakeCentre, too_old: bool) -> None:
    with opened(member.config) as first:
        if too_old:
            centre.minimum_version = "99.0"
        else:
            centre.held = True
        first._ask_status()
    with opened(member.config) as second:
        assert second._shipper.hold
        centre.held, centre.minimum_version = False, "0.1.0"
        second._ask_status()
        assert not second._shipper.hold
    with opened(member.config) as third:
        assert not third._shipper.hold


@pytest.mark.parametrize("content", ["", "{", "[]", '{"time": "x"}', '{"time": 1, "stop": 1}'])
def test_a_damaged_note_of_it_holds_nobody_up(member: Home, centre: FakeCentre, content: str) -> None:
    (member.data / "standing.json").write_text(content)
    with opened(member.config) as service:
        assert not service._shipper.hold
        service._ask_status()


def test_who_introduces_itself_by_a_stranger_s_key_is_not_believed(
    service: Service, member: Home, centre: FakeCentre
) -> None:
    """A thief who answers in the centre's place, with keys and words of his own."""
    before = identities.load(member.data)
    thief, honest = SigningKey.generate(), centre.receipt_key
    centre.receipt_key = thief
    for words in ((), (succession(thief, thief.public),), ("successor:AAAA",), ("nonsense",)):
        centre.successions = words
        with pytest.raises(SignatureRefused):
            service._ask_status()
    assert identities.load(member.data) == before
    centre.successions = (succession(honest, thief.public),)  # the old key's own word is another matter
    service._ask_status()
    assert identities.load(member.data).receipt_key == thief.verify_key


def test_an_identity_of_an_earlier_version_is_read(member: Home) -> None:
    path = member.data / "identity.json"
    content = json.loads(path.read_text())
    del content["next_pins"], content["next_receipt_keys"]
    path.write_text(json.dumps(content))
    read = identities.load(member.data)
    assert read.pins == (content["pin"],)
    assert len(read.receipt_keys) == 1
