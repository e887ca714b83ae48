"""New packs in a collector at work: between two bundles, with every line counted once; and what the member is told of them."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from cyberalarm import __version__
from cyberalarm.collector import identity as identities
from cyberalarm.collector import service as services
from cyberalarm.collector import state as notes
from cyberalarm.collector import updates
from cyberalarm.collector.doctor import Verdict
from cyberalarm.collector.doctor.sending import packs as packs_check
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.explain import explain
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import replay
from cyberalarm.core.outcome import Outcome
from cyberalarm.envelope import payload, releases, sealing
from cyberalarm.envelope.documents import Offer
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.releases import PackFile, Release
from cyberalarm.envelope.requests import InUse
from cyberalarm.formats import delivery
from cyberalarm.formats.loader import build
from tests.collector.members import STRANGE, Home, blocked, opened
from tests.collector.pack_releases import FAULTY, NAME, PACK, release, turnstile
from tests.collector.processes import wait_for
from tests.collector.test_collector_doctor import noted
from tests.collector.test_collector_pipeline import TO, bundles, pipeline
from tests.collector.test_collector_service import run_in_thread, tcp, udp

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.formats.library import Library
    from tests.collector.fake_centre import FakeCentre

KEY = SigningKey.generate()


@pytest.fixture(scope="module")
def delivered() -> Library:
    return build(delivery.merged([(NAME, 1, PACK.encode())]))


def gathered(*lines: bytes) -> Chunk:
    return Chunk("gateway", b"".join(line + b"\n" for line in lines))


def products(folder: Path) -> list[str]:
    """The product of every row in the spool, bundle by bundle."""
    found = []
    for path in sorted((folder / "spool").glob("*.env")):
        _, stream = payload.unpack(sealing.open_sealed(path.read_bytes(), {TO.public.key_id: TO}))
        found += [row["product"] for row in pa.ipc.open_stream(stream).read_all().to_pylist()]
    return found


def test_packs_change_between_two_bundles(tmp_path: Path, delivered: Library) -> None:
    made = pipeline(tmp_path)
    made.take(gathered(blocked(1), turnstile(1)))
    made.use(delivered)
    assert made.due, "the open bundle is closed at once"
    assert made.library is not delivered, "nobody is told before it is so"
    made.take(gathered(blocked(2), turnstile(2)))
    assert made.totals.outcomes[Outcome.UNRECOGNISED] == 2, "its lines are read by the packs that it began with"
    assert made.close_bundle()
    assert not made.due
    assert made.library is delivered
    made.take(gathered(blocked(3), turnstile(3)))
    assert made.close_bundle()
    assert bundles(tmp_path) == [(4, 2, 2), (2, 2, 2)]
    assert products(tmp_path) == ["linux-netfilter", "linux-netfilter", "linux-netfilter", NAME]
    assert (made.totals.received, made.totals.balanced) == (6, True)


def test_with_nothing_gathered_they_change_at_the_next_line(tmp_path: Path, delivered: Library) -> None:
    made = pipeline(tmp_path)
    made.use(delivered)
    assert not made.due
    made.take(gathered(turnstile(1)))
    assert made.close_bundle()
    assert bundles(tmp_path) == [(1, 1, 1)]


def test_the_newest_of_several_is_used(tmp_path: Path, delivered: Library) -> None:
    from cyberalarm.formats.library import bundled

    made = pipeline(tmp_path)
    made.take(gathered(STRANGE))
    made.use(delivered)
    made.use(bundled())
    made.use(delivered)
    made.close_bundle()
    made.take(gathered(turnstile(1)))
    made.close_bundle()
    assert bundles(tmp_path) == [(1, 0, 0), (1, 1, 1)]


def test_a_full_spool_delays_new_packs_and_loses_nothing(tmp_path: Path, delivered: Library) -> None:
    made = pipeline(tmp_path, limit=1)
    made.take(gathered(turnstile(1)))
    assert made.close_bundle(), "the first one fits"
    made.take(gathered(turnstile(2), blocked(1)))
    made.use(delivered)
    assert made.close_bundle() is None
    made.take(gathered(turnstile(3)))
    assert made.unspooled == 3
    made._spool._limit = 10**9
    assert made.close_bundle()
    made.take(gathered(turnstile(4)))
    assert made.close_bundle()
    assert bundles(tmp_path) == [(1, 0, 0), (3, 1, 1), (1, 1, 1)]


def test_a_disk_that_fills_while_packs_change_loses_nothing(tmp_path: Path, delivered: Library, monkeypatch) -> None:
    from cyberalarm.collector import spool as spools

    made = pipeline(tmp_path)
    made.take(gathered(turnstile(1), blocked(1)))
    made.use(delivered)
    with monkeypatch.context() as full:
        full.setattr(spools, "write_durably", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        assert made.close_bundle() is None
    made.take(gathered(turnstile(2)))
    assert made.close_bundle()
    assert made.close_bundle()
    assert bundles(tmp_path) == [(2, 1, 1), (1, 1, 1)]


@pytest.fixture
def quick_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_STATUS_SECONDS", 0.2)
    monkeypatch.setattr(services, "_STATE_SECONDS", 0.1)


def note_of(home: Home) -> notes.PacksNote:
    found = notes.read(home.data)
    return found.packs if found else notes.PacksNote()


@pytest.mark.slow
@pytest.mark.usefixtures("quick_status")
def test_a_running_collector_takes_packs_up_and_refuses_bad_ones(home: Home, centre: FakeCentre) -> None:
    centre.release_keys = (SigningKey.generate().verify_key, KEY.verify_key)
    enrol(home.config, centre.token().to_text())
    assert identities.load(home.data).release_keys == centre.release_keys
    stop, failures = threading.Event(), []
    work = run_in_thread(home.config, stop, failures)
    try:
        wait_for("a note", lambda: notes.read(home.data) is not None)
        udp(home, *[turnstile(n) for n in range(10)])
        wait_for("strange lines", lambda: centre.total().outcomes[Outcome.UNRECOGNISED] == 10)
        faulty = release(KEY, 1, FAULTY)
        centre.release = (1, faulty)
        wait_for("a refusal", lambda: note_of(home).refused_code == "release-lint")
        wait_for("the centre to hear of it", lambda: centre.in_use == InUse(__version__, 0, "release-lint"))
        centre.release, centre.served = (2, release(KEY, 2)), release(KEY, 2)[:-1]
        wait_for("a refusal", lambda: note_of(home).refused_code == "release-other")
        asked, fetched = centre.asked_status, centre.fetched
        wait_for("more looks at the status", lambda: centre.asked_status > asked + 5)
        assert centre.fetched == fetched == 2, "what was refused is not fetched at every look"
        centre.release, centre.served = (3, release(KEY, 3)), None
        with tcp(home) as device:
            sent = 0
            while note_of(home).release != 3:
                device.sendall(blocked(sent) + b"\n")
                sent += 1
            device.sendall(b"".join(turnstile(n) + b"\n" for n in range(40)))
            wait_for("all lines", lambda: centre.lines == 10 + sent + 40)
        assert centre.total().outcomes[Outcome.KEPT] == sent + 40
        assert centre.total().outcomes[Outcome.UNRECOGNISED] == 10
        assert note_of(home).refused_code == ""
        wait_for("the centre to hear of it", lambda: centre.in_use == InUse(__version__, 3))
        centre.release = None
        wait_for("the program's own packs, with no line coming", lambda: note_of(home).release == 0)
        centre.release = (3, release(KEY, 3))
        wait_for("the release again", lambda: note_of(home).release == 3)
        assert {row["product"] for row in centre.events()} == {"linux-netfilter", NAME}
        for one in centre.taken:
            delivered_rows = [row for row in one.events.to_pylist() if row["product"] == NAME]
            assert not delivered_rows or one.release == 3, "each bundle says by which packs it was read"
        assert {one.release for one in centre.taken} >= {0, 3}
    finally:
        stop.set()
        work.join(60)
    assert not failures
    _others_use_them_too(home, centre)


def _others_use_them_too(home: Home, centre: FakeCentre) -> None:
    """Explaining and replaying read by the same packs as the collector that ran."""
    assert explain(home.config, turnstile(1)).product == NAME
    log = home.path.parent / "old.log"
    log.write_bytes(turnstile(1) + b"\n")
    assert replay(home.config, [log], on_progress=lambda _: None).ledger.outcomes[Outcome.KEPT] == 1


def test_a_long_release_arrives_whole_and_no_more_than_was_announced(member: Home, centre: FakeCentre) -> None:

    # What does not compress makes a release of some 8 MiB, far beyond the API's other answers.
    long = (PackFile(f"p{n}", 1, random.Random(n).randbytes(1024 * 1024)) for n in range(8))
    raw = releases.sign(Release(1, 0, "0.1.0", tuple(long)), KEY)
    assert len(raw) > 8_000_000
    centre.release = (1, raw)
    offer = Offer(1, releases.digest(raw), len(raw))
    with opened(member.config) as service:
        assert service._fetch(offer) == raw
        centre.served = raw * 2
        assert len(service._fetch(offer)) == len(raw) + 1


def test_enrolling_under_another_authority_begins_anew(home: Home, centre: FakeCentre) -> None:
    first, second = SigningKey.generate().verify_key, SigningKey.generate().verify_key
    floor = home.data / updates.FOLDER / "floor.json"

    def enrolled(*keys: object) -> bool:
        """With these release keys; is the number of before remembered?"""
        floor.parent.mkdir(parents=True, exist_ok=True)
        floor.write_text('{"number": 9, "sha256": ""}')
        centre.release_keys = keys  # type: ignore[assignment]
        enrol(home.config, centre.token().to_text())
        return floor.exists()

    assert not enrolled(first)
    assert enrolled(first, second)
    assert enrolled(second)
    assert not enrolled(first)
    assert not enrolled()


def test_what_doctor_says_of_packs(home: Home) -> None:
    home.data.mkdir(parents=True)

    def said(**packs: object) -> tuple[Verdict, str]:
        noted(home, packs=notes.PacksNote.model_validate(packs))
        read = notes.read(home.data)
        assert read is not None
        check = packs_check(read)
        return check.verdict, f"{check.found} {check.next_step}"

    assert said() == (Verdict.GOOD, "The packs of the program are in use. ")
    verdict, words = said(release=7, packs=["example-door 2"])
    assert verdict is Verdict.GOOD
    assert "Pack release 7 is in use." in words
    assert "example-door 2" in words
    verdict, words = said(release=7, refused_number=8, refused_code="release-lint", refused="It is faulty.")
    assert verdict is Verdict.ATTENTION
    assert "Pack release 7 is in use." in words
    assert "Pack release 8 is not used: It is faulty. Code: release-lint" in words
    verdict, words = said(refused_code="release-malformed", refused="It is damaged.")
    assert "The packs of the program are in use. The release kept here is not used: It is damaged." in words
