"""Release keys that were revoked: not believed any more, in this run or a later one; and revocations that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.collector import pack_trust
from cyberalarm.collector.pack_trust import PackTrust
from cyberalarm.envelope.errors import KeyRefused
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.revocations import revoke, revoked

if TYPE_CHECKING:
    from pathlib import Path

STOLEN, SPARE, STRANGER = (SigningKey.generate() for _ in range(3))
NAMED = (STOLEN.verify_key, SPARE.verify_key)


def test_a_revocation_names_the_key_that_made_it() -> None:
    assert revoked(revoke(STOLEN)) == STOLEN.verify_key


@given(st.text(max_size=300))
def test_other_texts_revoke_nothing(text: str) -> None:
    with pytest.raises(KeyRefused):
        revoked(text)


@pytest.mark.parametrize("at", [8, 40, 60, 100, 135])
def test_a_revocation_that_was_changed_revokes_nothing(at: int) -> None:
    good = revoke(STOLEN)
    with pytest.raises(KeyRefused):
        revoked(good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :])


def test_nobody_revokes_another_ones_key() -> None:
    from cyberalarm.envelope import canonical

    forged = STRANGER.sign(b"CyberAlarm release key revocation v1\0" + SPARE.public)
    with pytest.raises(KeyRefused):
        revoked("revoked:" + canonical.base64_text(SPARE.public + forged))


def test_what_was_revoked_once_stays_so(tmp_path: Path) -> None:
    trust = PackTrust(tmp_path / "packs", NAMED)
    trust.heed([])
    assert not (tmp_path / "packs").exists()
    trust.heed(["revoked:no", revoke(STRANGER), revoke(STOLEN)])
    assert trust.keys == (SPARE.verify_key,)
    assert json.loads((tmp_path / "packs" / pack_trust.REVOKED).read_bytes()) == [revoke(STOLEN)], "no stranger's"
    trust.heed([])
    again = PackTrust(tmp_path / "packs", NAMED)
    assert (trust.keys, again.keys) == ((SPARE.verify_key,), (SPARE.verify_key,))


def test_a_disk_that_is_full_delays_the_note_and_not_the_revocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = PackTrust(tmp_path, NAMED)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pack_trust, "write_durably", full)
        with pytest.raises(OSError, match="No space"):
            trust.heed([revoke(STOLEN)])
    assert trust.keys == (SPARE.verify_key,)
    trust.heed([revoke(STOLEN)])
    assert PackTrust(tmp_path, NAMED).keys == (SPARE.verify_key,)


@pytest.mark.parametrize("content", ["", "{", "5", "{}", '["revoked:x", 7]'])
def test_a_damaged_note_revokes_nothing_and_is_written_again(tmp_path: Path, content: str) -> None:
    (tmp_path / pack_trust.REVOKED).write_text(content)
    trust = PackTrust(tmp_path, NAMED)
    assert trust.keys == NAMED
    trust.heed([revoke(SPARE)])
    assert PackTrust(tmp_path, NAMED).keys == (STOLEN.verify_key,)


def test_what_a_revoked_key_reached_keeps_nobody_out(tmp_path: Path) -> None:
    trust = PackTrust(tmp_path, NAMED)
    assert trust.floor() == (0, "")
    trust.raise_floor(SPARE.verify_key.key_id, 5, "a" * 64)
    trust.raise_floor(STOLEN.verify_key.key_id, 2**62, "b" * 64)
    assert trust.floor() == (2**62, "b" * 64)
    trust.heed([revoke(STOLEN)])
    assert trust.floor() == PackTrust(tmp_path, NAMED).floor() == (5, "a" * 64)


def test_a_number_of_before_keys_were_noted_still_counts(tmp_path: Path) -> None:
    (tmp_path / pack_trust.FLOOR).write_text('{"number": 9, "sha256": "cc"}')
    trust = PackTrust(tmp_path, NAMED)
    assert trust.floor() == (9, "cc")
    trust.raise_floor(SPARE.verify_key.key_id, 10, "dd")
    trust.heed([revoke(SPARE)])
    assert PackTrust(tmp_path, NAMED).floor() == (9, "cc")
