"""Log files and archives of every kind as streams: what they hold, their bounds, and going on in the middle."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector.receive import archives, reading
from cyberalarm.collector.receive.archives import ArchiveError, members
from cyberalarm.collector.receive.chunk import LONGEST_LINE
from cyberalarm.collector.receive.reading import Mark, chunks, device_of, known_as, sizes_in, taken_before

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = reading.PREFIX + "0" * 64
LOG = b"".join(b"<13>line %d\n" % n for n in range(5000))
OTHER = b"<13>another log\n<13>without its last newline"


def zipped(*logs: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for number, log in enumerate(logs):
            archive.writestr(f"../../etc/{number}", log)
    return out.getvalue()


def tarred(*logs: bytes, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for number, log in enumerate(logs):
            info = tarfile.TarInfo(f"/etc/{number}")
            info.size = len(log)
            archive.addfile(info, io.BytesIO(log))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


ONE: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in pieces": lambda log: gzip.compress(log[:1000]) + gzip.compress(log[1000:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "xz in pieces": lambda log: lzma.compress(log[:1000]) + bytes(4) + lzma.compress(log[1000:]),
    "zstd": zstd.compress,
    "zstd in pieces": lambda log: zstd.compress(log[:1000]) + zstd.compress(log[1000:]),
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda log: gzip.compress(tarred(log)),
    "gzip in a zip": lambda log: zipped(gzip.compress(log)),
}
SEVERAL = {
    "zip": lambda: zipped(LOG, b"", OTHER),
    "zip, not compressed": lambda: zipped(LOG, OTHER, how=zipfile.ZIP_STORED),
    "zip of mixed": lambda: zipped(gzip.compress(LOG), OTHER),
    "tar.xz": lambda: lzma.compress(tarred(LOG, OTHER)),
    "tar.zst": lambda: zstd.compress(tarred(zstd.compress(LOG), OTHER)),
}


def read(content: bytes, begin: Mark | None = None) -> bytes:
    return b"".join(one.lines for one in chunks(io.BytesIO(content), "device", KEY, begin or Mark(), 1e9))


@pytest.mark.parametrize("kind", ONE)
def test_one_log_of_every_kind(kind: str) -> None:
    assert read(ONE[kind](LOG)) == LOG


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_logs_in_one_file(kind: str) -> None:
    assert read(SEVERAL[kind]()) == LOG + OTHER + b"\n"


def test_an_empty_file_has_ended_at_once() -> None:
    [only] = chunks(io.BytesIO(b""), "device", KEY, Mark(), 1e9)
    assert only.lines == b""
    assert only.place
    assert Mark.from_text(only.place.value) == Mark(ended=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(max_size=40) | st.integers(1, 3).map(lambda n: b"x" * (n * 50)), max_size=40),
    st.integers(0, 10**6),
    st.sampled_from([bytes, gzip.compress, zipped, lambda log: zipped(log[: len(log) // 2], log[len(log) // 2 :])]),
)
def test_broken_off_anywhere_and_gone_on_with_gives_the_same(
    lines: list[bytes], at: int, pack: Callable[[bytes], bytes]
) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(reading, "PIECE", 37)
        small.setattr(reading.Framing.__init__, "__kwdefaults__", {"counted": True, "longest": 60, "skipping": False})
        content = pack(b"\n".join(lines))
        whole = list(chunks(io.BytesIO(content), "device", KEY, Mark(), 1e9))
        stop = at % len(whole)
        place = whole[stop].place
        mark = Mark.from_text(place.value if place else None)
        assert mark
        rest = [] if mark.ended else list(chunks(io.BytesIO(content), "device", KEY, mark, 1e9))
        both = whole[: stop + 1] + rest
    assert b"".join(one.lines for one in both) == b"".join(one.lines for one in whole)
    assert sum(one.overflow for one in both) == sum(one.overflow for one in whole)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ONE)), st.integers(0, 2**32), st.binary(max_size=300))
def test_no_bytes_do_harm(kind: str, seed: int, noise: bytes) -> None:
    """Damage anywhere gives lines, or one kind of error."""
    chance = random.Random(seed)
    content = bytearray(ONE[kind](LOG[:3000]))
    for byte in noise[:20]:
        content[chance.randrange(len(content))] = byte
    for one in (bytes(content), bytes(content[: chance.randrange(len(content))]), bytes(content[:20]) + noise, noise):
        try:
            read(one)
        except ArchiveError as error:
            assert error.what  # noqa: PT017 - either is right


@pytest.mark.parametrize(("pack", "packed"), [(gzip.compress, "gzip"), (zstd.compress, "zstd"), (zipped, "zip")])
def test_a_bomb_is_refused_and_takes_no_memory(
    pack: Callable[[bytes], bytes], packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_RATIO_FROM", 8 * 1024 * 1024)
    bomb = pack(bytes(48 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="no log packs like that"):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_even_logs_are_no_bombs() -> None:
    assert read(gzip.compress(b"<13>the same line again\n" * 400_000)).count(b"\n") == 400_000


def test_a_zip_of_endless_names_is_refused_before_they_are_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(25_000):
            archive.writestr(f"{number:080d}", b"")
    with pytest.raises(ArchiveError, match="too many files"):
        read(out.getvalue())


def test_a_tar_whose_name_is_endless_is_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8 * 1024 * 1024
    tar = info.tobuf() + bytes(8 * 1024 * 1024 + 1024)
    with pytest.raises(ArchiveError, match="a name in it is endless"):
        read(gzip.compress(tar))


def test_windows_of_zstd_and_xz_are_bounded() -> None:
    out = zstd.ZstdCompressor(
        options={zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.content_size_flag: 0}
    )
    large = out.compress(LOG) + out.flush()
    with pytest.raises(ArchiveError, match="more memory"):
        read(large)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * 1024 * 1024}]
    with pytest.raises(ArchiveError, match="more memory"):
        read(lzma.compress(LOG, filters=filters))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(zipped(LOG)), "archive inside"),
        (tarred(tarred(LOG)), "archive inside"),
        (zipped(gzip.compress(tarred(LOG))), "archive inside"),
        (gzip.compress(LOG)[:-9], "damaged, or cut off"),
        (lzma.compress(LOG)[:-9], "damaged, or cut off"),
        (zstd.compress(LOG)[:-9], "damaged, or cut off"),
        (zipped(LOG)[:-40], "damaged, or cut off"),
        (tarred(LOG)[:9000], "damaged, or cut off"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z"),
        (b"ElfFile\x00", "Windows event log"),
        ("text\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_cannot_be_read_is_said(content: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        read(content)


def test_an_encrypted_zip_is_said() -> None:
    content = bytearray(zipped(LOG))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    with pytest.raises(ArchiveError, match="encrypted"):
        read(bytes(content))


def test_names_inside_never_touch_the_disk(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    for one in (zipped(LOG), tarred(LOG)):
        assert read(one) == LOG
    assert not list(__import__("pathlib").Path(str(tmp_path)).iterdir())


def test_a_line_that_never_ends_is_counted_once() -> None:
    found = list(chunks(io.BytesIO(b"x" * (5 * LONGEST_LINE) + b"\n<13>after\n"), "device", KEY, Mark(), 1e9))
    assert sum(one.overflow for one in found) == 1
    assert b"".join(one.lines for one in found) == b"<13>after\n"


def test_content_is_known_whatever_the_name() -> None:
    raw = io.BytesIO(LOG)
    assert known_as(raw) == known_as(io.BytesIO(LOG)) != known_as(io.BytesIO(OTHER))
    assert raw.tell() == 0
    assert known_as(raw, go_on=lambda: False) is None


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=200))
def test_a_log_that_has_grown_is_known_by_its_beginning(before: bytes, added: bytes) -> None:
    first = known_as(io.BytesIO(b"x" + before))
    assert first
    taken = {first.key: Mark(ended=True, size=first.size).to_text()}
    raw = io.BytesIO(b"x" + before + added)
    grown = known_as(raw, lambda below: sizes_in(taken, below))
    assert grown
    mark, has_grown = taken_before(raw, grown, taken.get)
    assert mark
    assert (has_grown, mark.offset, mark.skipping) == (True, 1 + len(before), before[-1:] != b"\n")
    assert raw.tell() == 0
    changed = io.BytesIO(b"y" + before + added)
    other = known_as(changed, lambda below: sizes_in(taken, below))
    assert other
    assert taken_before(changed, other, taken.get) == (None, False)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("firewall.log", "firewall.log"),
        ("firewall.log.12.gz", "firewall.log"),
        ("firewall-20260101.log.gz", "firewall.log"),
        ("messages-2026-01-01", "messages"),
        ("fw1.log", "fw1.log"),
        ("192.0.2.10", "192.0.2.10"),
        ("192.0.2.10.log.3.gz", "192.0.2.10"),
        ("2001:db8::1.log", "2001:db8::1"),
        ("20260101.log", "20260101.log"),
        (".gz", ".gz"),
    ],
)
def test_a_files_name_tells_its_device(name: str, device: str) -> None:
    assert device_of(name) == device


def test_members_are_read_one_after_the_other() -> None:
    assert [(one.number, len(one.lines.read())) for one in members(io.BytesIO(zipped(LOG, OTHER)))] == [
        (0, len(LOG)),
        (1, len(OTHER)),
    ]
