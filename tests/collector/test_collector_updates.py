"""Packs that the centre delivers: used when all is right, the packs of before when anything is wrong, across restarts and kills."""

from __future__ import annotations

import errno
import json
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import pack_trust, preparing, updates
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.errors import CentreUnreachableError
from cyberalarm.collector.updates import Updates
from cyberalarm.envelope import releases
from cyberalarm.envelope.documents import Offer
from cyberalarm.envelope.keys import SigningKey, VerifyKey
from cyberalarm.envelope.releases import PackFile, Release
from cyberalarm.envelope.revocations import revoke
from cyberalarm.formats.library import bundled
from tests.collector.members import blocked
from tests.collector.pack_releases import FAULTY, NAME, PACK, release, turnstile
from tests.collector.processes import python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.formats.library import Library

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
NOON = 1_795_003_200_000


_PREPARED: dict[tuple[bytes, tuple[VerifyKey, ...]], tuple[bytes, list[str]]] = {}


def remembering(source: Path, target: Path, trusted: tuple[VerifyKey, ...]) -> list[str]:
    """As `prepare`, which takes seconds for all packs there are, but the same release is prepared once for all tests."""
    key = source.read_bytes(), trusted
    if key not in _PREPARED:
        used = preparing.prepare(source, target, trusted)
        _PREPARED[key] = target.read_bytes(), used
    target.write_bytes(_PREPARED[key][0])
    return _PREPARED[key][1]


@pytest.fixture(autouse=True)
def prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "prepare", remembering)


def offered(raw: bytes, number: int = 1) -> Offer:
    return Offer(number, releases.digest(raw), len(raw))


def never(_: Offer) -> bytes:
    pytest.fail("fetched what could not be used anyway")


def giving(raw: bytes) -> Callable[[Offer], bytes]:
    return lambda _: raw


def knows(library: Library | None) -> bool:
    """Does it know the delivered product? Whatever comes, it must know a bundled one."""
    assert library is not None
    assert library.kernel.decode(blocked(1), received_ms=NOON).products() == [("linux-netfilter", 1)]
    return library.kernel.decode(turnstile(1), received_ms=NOON).products() == [(NAME, 1)]


def using(folder: Path, number: int = 1) -> Updates:
    """A collector's updates with a release in use."""
    made = Updates(folder, [KEY.verify_key])
    raw = release(KEY, number)
    assert knows(made.follow(offered(raw, number), giving(raw)))
    return made


def test_a_release_is_used_kept_and_used_again_after_a_restart(tmp_path: Path) -> None:
    first = using(tmp_path)
    assert (first.note.release, first.note.packs, first.note.refused_code) == (1, [f"{NAME} 1"], "")
    assert first.follow(offered(release(KEY)), never) is None, "the same again is not fetched again"
    again = Updates(tmp_path, [KEY.verify_key])
    library = again.load()
    assert knows(library)
    assert again.note == first.note
    assert again.resume() is None
    assert NAME in {pack.name for pack in library.packs}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "packs").iterdir())


def test_without_a_release_the_bundled_packs_are_used(tmp_path: Path) -> None:
    fresh = Updates(tmp_path, [KEY.verify_key])
    assert fresh.load() is bundled()
    assert fresh.resume() is None
    assert fresh.follow(None, never) is None
    assert not (tmp_path / "packs").exists()


def changed(raw: bytes) -> bytes:
    return raw[:-70] + bytes([raw[-70] ^ 1]) + raw[-69:]


RIGHT = release(KEY, 2)
MANIFEST_NAME_OTHER = releases.sign(Release(2, 0, "0.1.0", (PackFile("example-gate", 1, PACK.encode()),)), KEY)


@pytest.mark.parametrize(
    ("offer", "served", "code"),
    [
        (offered(RIGHT, 2), changed(RIGHT), "release-other"),
        (offered(RIGHT, 2), RIGHT[:-9], "release-other"),
        (offered(RIGHT, 2), b"", "release-other"),
        (offered(changed(RIGHT), 2), changed(RIGHT), "release-signature"),
        (offered(RIGHT[:-9], 2), RIGHT[:-9], "release-malformed"),
        (offered(release(OTHER, 2), 2), release(OTHER, 2), "release-key-unknown"),
        (offered(RIGHT, 3), RIGHT, "release-other"),
        (offered(release(KEY, 2, FAULTY), 2), release(KEY, 2, FAULTY), "release-lint"),
        (offered(release(KEY, 2, program="99.0"), 2), release(KEY, 2, program="99.0"), "release-program"),
        (offered(MANIFEST_NAME_OTHER, 2), MANIFEST_NAME_OTHER, "release-unusable"),
        (Offer(2, "0" * 64, releases.MAX_RELEASE + 1), None, "release-malformed"),
        (offered(release(KEY, 1, version=2), 1), None, "release-conflict"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_refused_and_the_packs_in_use_stay(
    tmp_path: Path, offer: Offer, served: bytes | None, code: str
) -> None:
    made = using(tmp_path)
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "packs").iterdir())
    assert made.follow(offer, never if served is None else giving(served)) is None
    assert (made.note.refused_code, made.note.refused_number) == (code, offer.number)
    assert made.note.refused
    assert made.note.release == 1
    assert sorted((p.name, p.read_bytes()) for p in (tmp_path / "packs").iterdir()) == before
    assert knows(Updates(tmp_path, [KEY.verify_key]).load())
    assert made.follow(offer, never) is None, "not asked for again at the next status"
    next_one = release(KEY, 3)
    assert knows(made.follow(offered(next_one, 3), giving(next_one))), "a good one is taken after it"
    assert made.note.refused_code == ""


def test_never_backwards_not_even_after_a_withdrawal_and_a_restart(tmp_path: Path) -> None:
    made = using(tmp_path, 5)
    assert made.follow(None, never) is bundled()
    assert (made.note.release, made.note.refused_code) == (0, "")
    assert not list((tmp_path / "packs").glob("compiled-*"))
    again = Updates(tmp_path, [KEY.verify_key])
    assert again.load() is bundled()
    assert again.follow(offered(release(KEY, 4), 4), never) is None
    assert again.note.refused_code == "release-older"
    assert knows(again.follow(offered(release(KEY, 5), 5), giving(release(KEY, 5)))), "the withdrawn one may come back"


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_withdrawal_while_the_disk_is_full_waits_rather_than_forget_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(pack_trust, "write_durably", full_disk)
        made = using(tmp_path, 5)  # not even its own number could be noted apart
        assert made.follow(None, never) is None
        assert (made.note.release, made.note.refused_code) == (5, "release-unwritable")
        assert (tmp_path / "packs" / "release").exists()
        again = Updates(tmp_path, [KEY.verify_key])
        assert knows(again.load())
    (tmp_path / "packs" / "release").rename(tmp_path / "elsewhere")
    assert Updates(tmp_path, [KEY.verify_key]).load() is bundled()
    (tmp_path / "elsewhere").rename(tmp_path / "packs" / "release")
    assert again.follow(None, never) is bundled()
    third = Updates(tmp_path, [KEY.verify_key])
    assert third.follow(offered(release(KEY, 4), 4), never) is None
    assert third.note.refused_code == "release-older"


def test_a_release_on_disk_that_could_not_be_loaded_leaves_its_number_when_it_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(pack_trust, "write_durably", full_disk)
        using(tmp_path, 5)
    for compiled in (tmp_path / "packs").glob("compiled-*"):
        compiled.unlink()
    made = Updates(tmp_path, [KEY.verify_key])
    assert made.load() is bundled()
    assert made.follow(None, never) is bundled()
    assert made.follow(offered(release(KEY, 4), 4), never) is None
    assert made.note.refused_code == "release-older"


def test_packs_by_a_revoked_key_are_put_down_though_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = using(tmp_path, 5)
    monkeypatch.setattr(pack_trust, "write_durably", full_disk)
    assert made.heed([revoke(KEY)]) is bundled()
    assert made.note.release == 0


def test_no_trusted_key_means_no_delivered_packs(tmp_path: Path) -> None:
    untrusting = Updates(tmp_path, [])
    assert untrusting.follow(offered(RIGHT, 2), never) is None
    assert untrusting.note.refused_code == "release-key-unknown"
    assert "packs.release_keys" in untrusting.note.refused


def test_trust_that_ends_brings_the_bundled_packs_back(tmp_path: Path) -> None:
    using(tmp_path)
    distrusting = Updates(tmp_path, [OTHER.verify_key])
    assert distrusting.load() is bundled()
    assert distrusting.note.refused_code == "release-key-unknown"
    assert distrusting.resume() is None


@pytest.mark.parametrize("name", ["release", "floor.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 300, None], ids=["empty", "an object", "zeros", "half"])
def test_a_file_that_was_damaged_is_not_believed(tmp_path: Path, name: str, content: bytes | None) -> None:
    using(tmp_path)
    path = tmp_path / "packs" / name
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    damaged = Updates(tmp_path, [KEY.verify_key])
    assert damaged.load() is bundled()
    assert damaged.resume() is None
    assert damaged.note.refused_code in {"release-malformed", "release-floor"}
    if name == "release":
        assert knows(damaged.follow(offered(release(KEY)), giving(release(KEY)))), "fetched again"
        assert damaged.note.refused_code == ""


def test_an_older_release_put_in_its_place_is_not_believed(tmp_path: Path) -> None:
    using(tmp_path, 5)
    (tmp_path / "packs" / "release").write_bytes(release(KEY, 4))
    older = Updates(tmp_path, [KEY.verify_key])
    assert older.load() is bundled()
    assert older.note.refused_code == "release-older"


@pytest.mark.parametrize("content", [b"", b"x" * 5_000, None], ids=["empty", "other", "gone"])
def test_the_compiled_form_is_made_again(tmp_path: Path, content: bytes | None) -> None:
    using(tmp_path)
    [compiled] = (tmp_path / "packs").glob("compiled-*.bin")
    good = compiled.read_bytes()
    compiled.unlink() if content is None else compiled.write_bytes(content)
    again = Updates(tmp_path, [KEY.verify_key])
    assert again.load() is bundled()
    assert knows(again.resume())
    assert again.note.refused_code == ""
    assert compiled.read_bytes() == good


def test_a_centre_that_is_away_is_asked_again(tmp_path: Path) -> None:
    made = Updates(tmp_path, [KEY.verify_key])

    def away(_: Offer) -> bytes:
        raise CentreUnreachableError("The centre cannot be reached.")

    assert made.follow(offered(RIGHT, 2), away) is None
    assert made.note.refused_code == "centre-unreachable"
    assert knows(made.follow(offered(RIGHT, 2), giving(RIGHT)))


def test_a_disk_that_is_full_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = using(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(updates, "write_durably", full)
        assert made.follow(offered(RIGHT, 2), giving(RIGHT)) is None
    assert made.note.refused_code == "release-unwritable"
    assert made.note.release == 1
    assert knows(made.follow(offered(RIGHT, 2), giving(RIGHT)))


def test_a_release_in_place_is_used_though_its_floor_and_the_rubbish_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, real = using(tmp_path), updates.write_durably

    def full_for_floors(path: Path, content: bytes) -> None:
        if path.name == "floor.json":
            raise OSError(28, "No space left on device")
        real(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(pack_trust, "write_durably", full_for_floors)
        patched.setattr(Updates, "_compiled", _compiled_anywhere)
        assert knows(made.follow(offered(RIGHT, 2), giving(RIGHT)))
    assert made.note.release == 2
    assert made.follow(offered(release(KEY, 1), 1), never) is None
    assert made.note.refused_code == "release-older"


def _compiled_anywhere(self: Updates, sha256: str) -> Path:
    """The compiled form's place while a release is taken up; not to be found out when rubbish is removed."""
    if self._used == sha256:
        raise OSError(5, "Input/output error")
    return self._folder / "compiled-x.bin"


def test_a_check_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_PROGRAM", "import time; time.sleep(600)")
    monkeypatch.setattr(updates, "prepare", partial(preparing.prepare, patience=0.2))
    made = Updates(tmp_path, [KEY.verify_key])
    assert made.follow(offered(RIGHT, 2), giving(RIGHT)) is None
    assert made.note.refused_code == "release-unchecked"


def test_a_check_that_crashes_takes_nobody_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_PROGRAM", "import os; os.abort()")
    monkeypatch.setattr(updates, "prepare", preparing.prepare)
    made = Updates(tmp_path, [KEY.verify_key])
    assert made.follow(offered(RIGHT, 2), giving(RIGHT)) is None
    assert made.note.refused_code == "release-unchecked"
    assert str(-signal.SIGABRT) in made.note.refused


# Takes release 2 up and is killed at its nth call of a function that changes the disk.
KILLED = """
import os, signal, sys
from pathlib import Path
from cyberalarm.collector import updates
from cyberalarm.collector.updates import Updates
from cyberalarm.envelope.documents import Offer
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.envelope import releases
left = int(sys.argv[4])
def counted(real):
    def call(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*args, **kwargs)
    return call
for name in ("fsync", "open"):
    setattr(os, name, counted(getattr(os, name)))
for name in ("replace", "unlink"):
    setattr(Path, name, counted(getattr(Path, name)))
raw = Path(sys.argv[2]).read_bytes()
def prepared(source, target, trusted):
    target.write_bytes(Path(sys.argv[2] + ".compiled").read_bytes())
    return ["example-turnstile 1"]
updates.prepare = prepared
made = Updates(Path(sys.argv[1]), [VerifyKey.from_text(sys.argv[3])])
made.load()
made.follow(Offer(2, releases.digest(raw), len(raw)), lambda _: raw)
print("whole")
"""


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_the_old_release_or_the_new(tmp_path: Path) -> None:
    (tmp_path / "two").write_bytes(RIGHT)
    preparing.prepare(tmp_path / "two", tmp_path / "two.compiled", [KEY.verify_key])
    seen = set()
    for step in range(40):
        folder = tmp_path / f"killed-{step}"
        using(folder)
        arguments = (str(folder), str(tmp_path / "two"), KEY.verify_key.to_text(), str(step))
        try:
            whole = "whole" in python(KILLED, *arguments)
        except AssertionError:
            whole = False
        after = Updates(folder, [KEY.verify_key])
        library = after.load()
        library = after.resume() or library
        assert knows(library)
        seen.add(after.note.release)
        assert after.note.release in {1, 2}
        assert after.note.refused_code == ""
        if whole:
            break
        assert after.note.release == 2 or knows(after.follow(offered(RIGHT, 2), giving(RIGHT)))
        assert after.note.release == 2
        after.follow(None, never)
        assert [path.name for path in (folder / "packs").iterdir()] == ["floor.json"], "nothing half done stays"
    else:
        pytest.fail("never came to an end")
    assert seen == {1, 2}


def test_whose_packs_are_taken(tmp_path: Path) -> None:
    named = CollectorConfig.model_validate({"packs": {"release_keys": [OTHER.verify_key.to_text()]}})
    assert updates.trusted_keys(named, None) == (OTHER.verify_key,)
    assert updates.trusted_keys(CollectorConfig(), None) == ()


def test_a_floor_survives_when_only_the_release_could_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = using(tmp_path, 5)
    floor = tmp_path / "packs" / "floor.json"
    floor.write_text(json.dumps({"number": 4, "sha256": "0" * 64}))  # as a kill right after the release would leave it
    again = Updates(tmp_path, [KEY.verify_key])
    again.load()
    assert again.follow(offered(release(KEY, 4), 4), never) is None
    assert again.note.refused_code == "release-older"
    assert again.follow(None, never) is bundled()
    assert json.loads(floor.read_text())[KEY.verify_key.key_id]["number"] == 5
    assert made.note.release == 5
    assert [path.name for path in (tmp_path / "packs").iterdir()] == ["floor.json"]


def test_packs_by_a_revoked_key_are_put_down_at_once_and_its_spare_goes_on(tmp_path: Path) -> None:
    made = Updates(tmp_path, [KEY.verify_key, OTHER.verify_key])
    stolen, spare = release(KEY, 2**60), release(OTHER, 3)
    assert knows(made.follow(offered(stolen, 2**60), giving(stolen)))
    assert made.heed([]) is None
    assert made.heed([revoke(KEY)]) is bundled()
    assert made.note.release == 0
    assert made.heed([revoke(KEY)]) is None
    assert made.follow(offered(stolen, 2**60), giving(stolen)) is None, "whatever the centre offers"
    assert made.note.refused_code == "release-key-unknown"
    again = Updates(tmp_path, [KEY.verify_key, OTHER.verify_key])
    assert again.load() is bundled()
    assert knows(again.follow(offered(spare, 3), giving(spare))), "the thief's high number keeps nobody out"
    updates.forget(tmp_path)
    assert Updates(tmp_path, [KEY.verify_key]).follow(offered(stolen, 2**60), never) is None


def test_a_release_kept_on_disk_is_not_used_after_its_key_was_revoked(tmp_path: Path) -> None:
    using(tmp_path)
    kept = (tmp_path / "packs" / "release").read_bytes()
    Updates(tmp_path, [KEY.verify_key]).heed([revoke(KEY)])
    (tmp_path / "packs" / "release").write_bytes(kept)
    after = Updates(tmp_path, [KEY.verify_key])
    assert after.load() is bundled()
    assert after.resume() is None
