"""The centre's list of sources at a collector: used while it holds, kept over restarts, and never anybody else's."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import state as notes
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.errors import CentreUnreachableError
from cyberalarm.collector.explain import explain
from cyberalarm.collector.listed_sources import FILE, ListedSources, ranges_of
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.core.addresses import pack
from cyberalarm.core.outcome import Outcome
from cyberalarm.envelope import source_list
from cyberalarm.envelope.documents import Offer
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.source_list import SourceList
from tests.collector.members import Home, blocked
from tests.collector.processes import wait_for
from tests.collector.test_collector_pipeline import pipeline
from tests.collector.test_collector_service import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
HOSTILE = "198.51.100.77"
DAY = 86_400_000
NOW = int(time.time() * 1000)


def naming(*sources: str, by: SigningKey = KEY, number: int = 1, expires: int = DAY) -> bytes:
    v4 = source_list.rising(int.from_bytes(pack(one)[12:]) for one in sources if ":" not in one)
    v6 = source_list.rising(int.from_bytes(pack(one)[:8]) for one in sources if ":" in one)
    return source_list.sign(SourceList(number, NOW - DAY, NOW + expires, v4, v6), by)


def offered(raw: bytes) -> Offer:
    return Offer(1, source_list.digest(raw), len(raw))


def giving(raw: bytes) -> Callable[[Offer], bytes]:
    return lambda _: raw


def never(_: Offer) -> bytes:
    pytest.fail("fetched again")


def ranges(*sources: str) -> list[tuple[str, str]]:
    return [(pack(one).hex(), pack(one).hex()) for one in sources]


def test_a_list_is_used_kept_and_used_again_after_a_restart(tmp_path: Path) -> None:
    raw = naming(HOSTILE)
    first = ListedSources(tmp_path, [KEY.verify_key])
    assert first.load() == []
    assert first.follow(offered(raw), giving(raw)) == ranges(HOSTILE)
    assert first.follow(offered(raw), never) is None, "the same again is not fetched again"
    again = ListedSources(tmp_path, [KEY.verify_key])
    assert again.load() == ranges(HOSTILE)
    assert again.follow(offered(raw), never) is None
    assert (again.note.number, again.note.sources, again.note.refused_code) == (1, 1, "")
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    newer = naming("2001:db8::5", number=2)
    assert again.follow(offered(newer), giving(newer)) == [("20010db8" + "0" * 24, "20010db8" + "0" * 8 + "f" * 16)]


def test_a_list_that_is_withdrawn_or_has_expired_is_not_used(tmp_path: Path) -> None:
    raw = naming(HOSTILE)
    clock = [time.time()]
    made = ListedSources(tmp_path, [KEY.verify_key], clock=lambda: clock[0])
    made.follow(offered(raw), giving(raw))
    assert made.expire() is None
    clock[0] += 2 * DAY / 1000
    assert made.expire() == []
    assert made.expire() is None, "said once"
    assert made.follow(offered(raw), giving(raw)) is None
    assert made.note.refused_code == "sources-malformed"
    clock[0] -= 2 * DAY / 1000
    made = ListedSources(tmp_path, [KEY.verify_key])
    made.follow(offered(raw), giving(raw))
    assert made.follow(None, never) == []
    assert ListedSources(tmp_path, [KEY.verify_key]).load() == []


def test_an_expired_list_on_the_disk_is_not_used_at_a_start(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(naming(HOSTILE, expires=-1))
    assert ListedSources(tmp_path, [KEY.verify_key]).load() == []


@pytest.mark.parametrize(
    ("offer", "served", "code"),
    [
        (offered(naming("192.0.2.1", by=OTHER)), naming("192.0.2.1", by=OTHER), "sources-signature"),
        (offered(naming("192.0.2.1")), naming("192.0.2.2"), "sources-malformed"),
        (offered(b"CAS1"), b"CAS1", "sources-malformed"),
        (offered(b""), b"", "sources-malformed"),
        (Offer(1, "ab" * 32, source_list.MAX_LIST + 1), b"", "sources-malformed"),
        (offered(naming("192.0.2.1", expires=-1)), naming("192.0.2.1", expires=-1), "sources-malformed"),
    ],
)
def test_what_is_wrong_changes_nothing_but_the_note(tmp_path: Path, offer: Offer, served: bytes, code: str) -> None:
    raw = naming(HOSTILE)
    made = ListedSources(tmp_path, [KEY.verify_key])
    made.follow(offered(raw), giving(raw))
    assert made.follow(offer, giving(served)) is None
    assert (made.note.refused_code, made.note.number) == (code, 1)
    assert made.follow(offer, never) is None, "looked at again in an hour"
    assert ListedSources(tmp_path, [KEY.verify_key]).load() == ranges(HOSTILE)
    assert made.follow(offered(raw), never) is None
    assert made.note.refused_code == ""


def test_a_centre_that_is_away_is_asked_again(tmp_path: Path) -> None:
    raw = naming(HOSTILE)
    made = ListedSources(tmp_path, [KEY.verify_key])

    def away(_: Offer) -> bytes:
        raise CentreUnreachableError("No answer.")

    assert made.follow(offered(raw), away) is None
    assert made.note.refused_code == "centre-unreachable"
    assert made.follow(offered(raw), giving(raw)) == ranges(HOSTILE)


def test_a_damaged_file_is_said_and_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"CAS1 damaged")
    made = ListedSources(tmp_path, [KEY.verify_key])
    assert made.load() == []
    assert made.note.refused_code == "sources-malformed"
    raw = naming(HOSTILE)
    assert made.follow(offered(raw), giving(raw)) == ranges(HOSTILE)


ALLOWED = blocked(1, HOSTILE).replace(b"BLOCK", b"ALLOW").replace(b"DPT=1 ", b"DPT=443 ")


def test_what_a_listed_source_is_let_in_to_is_kept_at_once(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    made.take(Chunk("gateway", ALLOWED + b"\n"))
    made.list_sources(ranges(HOSTILE))
    made.take(Chunk("gateway", ALLOWED + b"\n" + ALLOWED.replace(HOSTILE.encode(), b"198.51.100.78") + b"\n"))
    made.list_sources([])
    made.take(Chunk("gateway", ALLOWED + b"\n"))
    assert (made.totals.outcomes[Outcome.ROUTINE], made.totals.outcomes[Outcome.KEPT]) == (3, 1)


def test_what_a_source_was_let_in_to_before_it_was_listed_is_sent_after_all(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    made.recalls = True
    made.take(Chunk("gateway", ALLOWED + b"\n"))
    made.list_sources(ranges(HOSTILE))
    made.tick()
    assert (made.totals.outcomes[Outcome.ROUTINE], made.totals.recalled) == (1, 1)


def test_a_list_changes_while_lines_are_sieved(tmp_path: Path) -> None:
    """The status is asked for in another thread than the one that sieves."""
    made, done = pipeline(tmp_path), threading.Event()

    def change() -> None:
        while not done.is_set():
            made.list_sources(ranges(HOSTILE))
            made.list_sources([])

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(200):
            made.take(Chunk("gateway", (ALLOWED + b"\n") * 50))
    finally:
        done.set()
        changing.join()
    assert made.totals.received == 10_000
    assert made.totals.balanced


def test_a_collector_fetches_the_list_that_its_centre_offers(member: Home, centre: FakeCentre) -> None:
    centre.sources = naming(HOSTILE, by=centre.receipt_key)
    stop, failures = threading.Event(), list[BaseException]()
    running = run_in_thread(member.config, stop, failures)
    try:
        wait_for("the list", lambda: (note := notes.read(member.data)) is not None and note.sources.number == 1)
    finally:
        stop.set()
        running.join()
    assert not failures
    assert centre.in_use is not None
    assert centre.in_use.sources == source_list.FORM
    assert ranges_of(member.config) == ranges(HOSTILE)
    told = explain(member.config, ALLOWED)
    assert "listed by the centre" in told.source
    assert (told.outcome, told.rule) == (Outcome.KEPT, "let in from a source that the centre lists")


def test_a_collector_that_is_not_enrolled_has_no_list(home: Home) -> None:
    assert ranges_of(home.config) == []


def test_another_centres_list_is_nothing_after_enrolling_anew(home: Home, centre: FakeCentre) -> None:
    enrol(home.config, centre.token().to_text())
    (home.data / FILE).write_bytes(naming(HOSTILE, by=OTHER))
    assert ranges_of(home.config) == []
