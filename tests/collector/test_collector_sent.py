"""What the member is shown is what left: byte for byte what was sealed, and harmless to look at."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.bundle import Bundle, Sealer
from cyberalarm.collector.errors import CopyMissingError
from cyberalarm.collector.identity import local_key
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.sent import FOLDER, Copies
from cyberalarm.collector.sent_page import page
from cyberalarm.collector.spool import BEGINNING, Link, Spool
from cyberalarm.core.outcome import Ledger
from cyberalarm.envelope import sealing
from cyberalarm.envelope.errors import SealRefused
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.payload import pack
from tests.collector.members import blocked, let_in
from tests.collector.processes import cyberalarm
from tests.collector.test_collector_pipeline import pipeline
from tests.kernel.decoding import batch_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.collector.members import Home

TO = AnalysisKey.generate(Suite.CLASSIC)
NASTY = (
    b'<4>Mar  9 12:00:00 gateway suricata[1]: [1:2000001:1] <script>alert(1)</script>" onload="x [Classification: A] '
)
NASTY += b"[Priority: 1] {TCP} 198.51.100.7:4444 -> 203.0.113.7:80"


def copies(folder: Path, limit: int = 10**6) -> Copies:
    made = Copies(folder / FOLDER, local_key(folder), limit)
    made.open()
    return made


def put(folder: Path, *lines: bytes, limit: int = 10**6) -> bytes:
    """Take lines, spool them as one bundle with a copy; gives what its envelope holds."""
    gathered = pipeline(folder)
    gathered.sealer = Sealer("c-test", SigningKey.generate(), TO.public, copies=copies(folder, limit))
    gathered.take(Chunk("gateway", b"".join(line + b"\n" for line in lines)))
    link = gathered.close_bundle()
    assert link
    envelope = (folder / "spool" / f"{link.sequence:020d}.env").read_bytes()
    assert sealing.digest(envelope) == link.digest
    return sealing.open_sealed(envelope, {TO.public.key_id: TO})


def test_a_copy_is_what_was_sealed(tmp_path: Path) -> None:
    sealed = put(tmp_path, blocked(1), blocked(1), let_in(2))
    copy = copies(tmp_path).read(1)
    assert pack(copy.payload.ledgers, copy.payload.arrow_ipc) == sealed
    assert copy.size == len(sealed)
    (row,) = copy.rows()
    assert (row["src_ip"], row["count"], row["product"]) == ("198.51.100.2", 2, "linux-netfilter")


def test_the_oldest_copies_go_first_and_none_are_kept_where_none_are_wanted(tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path, blocked(number))
    kept = copies(tmp_path)
    size = (tmp_path / FOLDER / f"{5:020d}.sent").stat().st_size
    assert kept.sequences() == [1, 2, 3, 4, 5]
    assert copies(tmp_path, limit=2 * size + 10).sequences() == [4, 5]
    put(tmp_path, blocked(9), limit=0)
    assert copies(tmp_path, limit=10**6).sequences() == []


def test_a_copy_that_is_missing_or_damaged_is_said_so(tmp_path: Path) -> None:
    put(tmp_path, blocked(1))
    with pytest.raises(CopyMissingError, match="bundle 7"):
        copies(tmp_path).read(7)
    path = tmp_path / FOLDER / f"{1:020d}.sent"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(SealRefused):
        copies(tmp_path).read(1)


def test_a_disk_that_takes_no_copy_loses_no_bundle(tmp_path: Path) -> None:
    unwritable = Copies(tmp_path / "missing" / FOLDER, local_key(tmp_path), 10**6)
    sealer = Sealer("c-test", SigningKey.generate(), TO.public, copies=unwritable)
    spool = Spool(tmp_path / "spool", 10**9)
    assert spool.head == BEGINNING
    assert sealer.put(spool, Bundle({"d-x": Ledger()}, b"", 0)) == spool.head != Link(0, "")


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_no_text_of_a_stranger_becomes_part_of_the_page(tmp_path: Path) -> None:
    assert batch_of(NASTY).rows == 1
    put(tmp_path, NASTY)
    copy = copies(tmp_path).read(1)
    (row,) = copy.rows()
    assert "<script>" in str(row["signature"])
    text = page(copy, waits=True)
    found = Tags(text)
    assert not {"script", "img", "link", "iframe", "a"} & found.tags
    assert not {"onload", "src", "href"} & found.attributes
    assert "&lt;script&gt;" in text
    assert "198.51.100.7" in text
    assert "waits to be sent" in text


def test_the_command_lists_and_shows_and_writes_a_page(member: Home) -> None:
    log = member.path.parent / "old.log"
    log.write_bytes(b"".join(blocked(n) + b"\n" for n in range(30)) + let_in(1) + b"\n")
    assert cyberalarm("collector", "replay", str(log), "--config", str(member.path)).returncode == 0
    listed = cyberalarm("collector", "show-sent", "--config", str(member.path), "--output", "jsonl")
    (bundle,) = map(json.loads, listed.stdout.splitlines())
    assert (bundle["bundle"], bundle["lines"], bundle["sent"], bundle["waits"]) == (1, 31, 30, False)
    shown = cyberalarm("collector", "show-sent", "1", "--config", str(member.path), "--output", "jsonl")
    assert sum(json.loads(line)["count"] for line in shown.stdout.splitlines()) == 30
    told = cyberalarm("collector", "show-sent", "1", "--config", str(member.path))
    assert "30 kept, 1 routine" in told.stdout
    to = member.path.parent / "sent.html"
    written = cyberalarm("collector", "show-sent", "--html", str(to), "--config", str(member.path))
    assert written.returncode == 0, written.stderr
    assert "198.51.100.1" in to.read_text()
    assert to.stat().st_mode & 0o777 == 0o600
    missing = cyberalarm("collector", "show-sent", "7", "--config", str(member.path))
    assert (missing.returncode, "copy-missing" in missing.stderr) == (1, True)


def test_looking_makes_no_key_that_the_collector_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "collector.toml").write_text('data = "data"\n')
    (tmp_path / "data").mkdir()
    told = cyberalarm("collector", "show-sent", "--config", str(tmp_path / "collector.toml"))
    assert (told.returncode, "copy-missing" in told.stderr) == (1, True)
    assert list((tmp_path / "data").iterdir()) == []
