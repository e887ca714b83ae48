"""The spool as a state machine over real files, and everything that can happen to its folder."""

from __future__ import annotations

import errno
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cyberalarm.collector import spool as spools
from cyberalarm.collector.errors import SpoolDamagedError, SpoolFullError
from cyberalarm.collector.spool import BEGINNING, Link, Spool, set_aside
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.sealing import Header, digest, read_header, seal

KEY = SigningKey.generate()
TO = AnalysisKey.generate(Suite.CLASSIC).public
PLENTY = 10**9


def sealing(content: bytes):
    return lambda sequence, previous: seal(content, Header("c-test", sequence, previous, 1, 0, 0), TO, KEY)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class SpoolMachine(RuleBasedStateMachine):
    """Against a model: a list of envelopes put, and how many of them were receipted."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.limit = 3000
        self.spool = Spool(self.folder, self.limit)
        self.put: list[Link] = []
        self.bytes: dict[int, bytes] = {}
        self.done = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def size(self) -> int:
        return sum(len(self.bytes[link.sequence]) for link in self.put[self.done :])

    @rule(content=st.binary(max_size=400))
    def put_one(self, content: bytes) -> None:
        if self.size >= self.limit:
            before = files(self.folder)
            with pytest.raises(SpoolFullError):
                self.spool.put(sealing(content))
            assert files(self.folder) == before
            return
        link = self.spool.put(sealing(content))
        self.put.append(link)
        self.bytes[link.sequence] = (self.folder / f"{link.sequence:020d}.env").read_bytes()

    @precondition(lambda self: self.done < len(self.put))
    @rule()
    def receipt(self) -> None:
        link, envelope = self.spool.next() or (None, b"")
        assert link == self.put[self.done]
        assert envelope == self.bytes[link.sequence]
        self.spool.receipted(link)
        self.done += 1

    @rule(link=st.builds(Link, st.integers(1, 30), st.just("ab" * 32)))
    def receipt_for_something_else(self, link: Link) -> None:
        with pytest.raises(SpoolDamagedError):
            self.spool.receipted(link)

    @rule()
    def reopen(self) -> None:
        self.spool = Spool(self.folder, self.limit)

    @rule(content=st.binary(max_size=100), name=st.sampled_from(["00000000000000000007.env.part", "chain.json.part"]))
    def torn_write_then_crash(self, content: bytes, name: str) -> None:
        (self.folder / name).write_bytes(content)
        self.reopen()

    @precondition(lambda self: self.done > 0)
    @rule()
    def crash_between_moving_the_chain_and_removing(self) -> None:
        link = self.put[self.done - 1]
        (self.folder / f"{link.sequence:020d}.env").write_bytes(self.bytes[link.sequence])
        self.reopen()

    @invariant()
    def as_the_model_says(self) -> None:
        assert self.spool.waiting == len(self.put) - self.done
        assert self.spool.head == (self.put[-1] if self.put else BEGINNING)
        assert self.spool.done == (self.put[self.done - 1] if self.done else BEGINNING)
        assert self.spool.size == self.size
        names = [f"{link.sequence:020d}.env" for link in self.put[self.done :]]
        assert [name for name in files(self.folder) if name.endswith(".env")] == names
        previous = BEGINNING.digest
        for sequence, link in enumerate(self.put, 1):
            header = read_header(self.bytes[sequence])
            assert (link.sequence, header.sequence, header.previous) == (sequence, sequence, previous)
            assert link.digest == digest(self.bytes[sequence])
            previous = link.digest
        assert all(self.spool.continues(link) for link in self.put[max(self.done - 1, 0) :])


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A spool's folder in which three envelopes wait."""
    spool = Spool(tmp_path / "spool", PLENTY)
    for content in (b"one", b"two", b"three"):
        spool.put(sealing(content))
    return tmp_path / "spool"


def second(folder: Path) -> Path:
    return folder / f"{2:020d}.env"


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: second(folder).unlink(),
        lambda folder: second(folder).write_bytes(b""),
        lambda folder: second(folder).write_bytes(second(folder).read_bytes()[:-1]),
        lambda folder: second(folder).write_bytes(bytes(100)),
        lambda folder: (folder / "chain.json").write_text("{"),
        lambda folder: (folder / "chain.json").write_text('{"sequence": 9}'),
        lambda folder: (folder / "mine.env").touch(),
        lambda folder: (folder / f"{2:020d}.env").write_bytes((folder / f"{3:020d}.env").read_bytes()),
    ],
)
def test_damage_is_said_before_it_is_sent_and_nothing_is_removed(three: Path, harm) -> None:
    """Either at the start or when its turn comes; what was put in before it and is whole may be sent."""
    honest = [path.read_bytes() for path in sorted(three.glob("*.env"))]
    harm(three)
    before = files(three)
    sent: list[bytes] = []
    with pytest.raises(SpoolDamagedError) as said:
        drain(Spool(three, PLENTY), sent)
    assert "--set-aside" in said.value.next_step
    assert sent == honest[: len(sent)]
    assert [name for name in files(three) if name.endswith(".env")] == [
        name for name in before if name.endswith(".env")
    ][len(sent) :]


def drain(spool: Spool, sent: list[bytes]) -> None:
    while found := spool.next():
        link, envelope = found
        sent.append(envelope)
        spool.receipted(link)


def test_a_file_that_rots_while_we_run_is_not_sent(three: Path) -> None:
    spool = Spool(three, PLENTY)
    first = three / f"{1:020d}.env"
    whole = bytearray(first.read_bytes())
    whole[-70] ^= 1
    first.write_bytes(whole)
    with pytest.raises(SpoolDamagedError, match="damaged"):
        spool.next()
    first.unlink()
    with pytest.raises(SpoolDamagedError, match="damaged"):
        spool.next()


def test_a_file_that_changed_while_we_were_away_is_found_by_the_next_link(three: Path) -> None:
    whole = bytearray(second(three).read_bytes())
    whole[-70] ^= 1
    second(three).write_bytes(whole)
    spool, sent = Spool(three, PLENTY), list[bytes]()
    with pytest.raises(SpoolDamagedError, match="damaged"):
        drain(spool, sent)
    assert len(sent) == 1


def test_opening_reads_the_newest_file_only(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (opened.append(path.name), whole(path))[1])
    assert Spool(three, PLENTY).waiting == 3
    assert [name for name in opened if name.endswith(".env")] == [f"{3:020d}.env"]


def test_a_disk_that_refuses_loses_nothing(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(three, PLENTY)
    before, head = files(three), spool.head

    def refuse(path: Path, content: bytes) -> None:
        path.with_name(path.name + ".part").write_bytes(content[:10])
        path.with_name(path.name + ".part").unlink()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spools, "write_durably", refuse)
    with pytest.raises(SpoolFullError, match="No space left") as said:
        spool.put(sealing(b"four"))
    assert said.value.code == "spool-unwritable"
    assert (files(three), spool.head) == (before, head)
    monkeypatch.undo()
    assert spool.put(sealing(b"four")).sequence == 4
    assert Spool(three, PLENTY).waiting == 4


def test_a_disk_that_takes_and_removes_nothing_loses_nothing(three: Path) -> None:
    """As one that the operating system has made read-only, where removing fails like writing."""
    spool = Spool(three, PLENTY)
    away = three.with_name("away")
    three.rename(away)
    three.touch()
    with pytest.raises(SpoolFullError) as said:
        spool.put(sealing(b"four"))
    assert said.value.code == "spool-unwritable"
    three.unlink()
    away.rename(three)
    assert spool.put(sealing(b"four")).sequence == 4
    assert Spool(three, PLENTY).waiting == 4


def test_the_last_bundle_of_a_run_may_use_the_reserve(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    spool.put(sealing(b"one"))
    with pytest.raises(SpoolFullError):
        spool.put(sealing(b"two"))
    assert spool.put(sealing(b"two"), last=True).sequence == 2
    assert Spool(tmp_path, 1).full


def test_a_chain_begins_elsewhere_only_when_nothing_waits(three: Path, tmp_path: Path) -> None:
    place = Link(41, "cd" * 32)
    with pytest.raises(SpoolDamagedError):
        Spool(three, PLENTY).begin_after(place)
    fresh = Spool(tmp_path / "other", PLENTY)
    fresh.begin_after(place)
    assert fresh.put(sealing(b"x")).sequence == 42
    assert read_header(fresh.next()[1]).previous == place.digest  # type: ignore[index]
    assert Spool(tmp_path / "other", PLENTY).done == place


def test_set_aside_keeps_everything(three: Path) -> None:
    before = {path.name: path.read_bytes() for path in three.iterdir()}
    assert set_aside(three) == 3
    assert set_aside(three) == 0
    aside = [path for path in three.parent.iterdir() if path.name.startswith("spool-set-aside-")]
    assert [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in aside] == [before]
    assert Spool(three, PLENTY).head == BEGINNING


def test_only_the_owner_can_read_it(three: Path) -> None:
    for path in itertools.chain([three], three.iterdir()):
        assert path.stat().st_mode & 0o077 == 0
