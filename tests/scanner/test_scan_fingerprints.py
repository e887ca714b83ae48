"""Every fingerprint reads its own examples; imported ones too; hard banners come out right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cyberalarm.scanner.engines.banner import read_banner
from cyberalarm.scanner.errors import FeedError
from cyberalarm.scanner.feeds.recog import check_examples, import_recog, imported_fingerprints, read_file
from cyberalarm.scanner.feeds.store import VulnDb
from cyberalarm.scanner.identity import Observation
from cyberalarm.scanner.recognise import Example, Fingerprint, Recogniser, own_fingerprints, server_parts

VULNDATA = Path(os.environ.get("CYBERALARM_VULNDATA", Path(__file__).resolve().parents[3] / "shared" / "vulndata"))
needs_recog = pytest.mark.skipif(
    not (VULNDATA / "recog").is_dir(), reason="recog's files are not here (CYBERALARM_VULNDATA)"
)

EXAMPLES = [(f, e) for f in own_fingerprints() for e in f.examples]


@pytest.mark.parametrize(
    ("fingerprint", "example"), EXAMPLES, ids=lambda v: v.key if isinstance(v, Fingerprint) else None
)
def test_examples(fingerprint: Fingerprint, example: Example) -> None:
    found = Recogniser().identify(Observation(fingerprint.kind, example.text))
    assert [i.fingerprint for i in found] == [fingerprint.key]
    identity = found[0]
    assert (identity.version, identity.distribution, identity.revision) == (
        example.version,
        example.distribution,
        example.revision,
    )


def test_there_is_a_good_first_set() -> None:
    assert len(own_fingerprints()) >= 30
    assert all(f.examples for f in own_fingerprints())


def test_composite_server_header() -> None:
    header = "Apache/2.4.49 (Win64) OpenSSL/1.0.2k PHP/5.6.40"
    assert server_parts(header) == ("Apache/2.4.49 (Win64)", "OpenSSL/1.0.2k (Win64)", "PHP/5.6.40 (Win64)")
    found = Recogniser().identify(Observation("http.server", header))
    assert [(i.product, i.version, i.platform) for i in found] == [
        ("http_server", "2.4.49", "windows"), ("openssl", "1.0.2k", ""), ("php", "5.6.40", "windows"),
    ]  # fmt: skip


def test_range_like_version_is_no_version() -> None:
    found = Recogniser().identify(Observation("http.server", "Apache/2.X - 2.4"))
    assert [i.version for i in found if i.product == "http_server"] == [""]


@pytest.mark.parametrize(
    ("raw", "protocol", "kind", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "ssh", "ssh.banner", "OpenSSH_9.2p1 Debian-2+deb12u3"),
        (b"a line before\r\nSSH-1.99-dropbear_2019.78\r\n", "ssh", "ssh.banner", "dropbear_2019.78"),
        (b"220 mail.example.org ESMTP Exim 4.89\r\n", "smtp", "smtp.banner", "220 mail.example.org ESMTP Exim 4.89"),
        (b"220 (vsFTPd 3.0.3)\r\n", "ftp", "ftp.banner", "220 (vsFTPd 3.0.3)"),
        (b"+OK Dovecot ready.\r\n", "pop3", "pop3.banner", "+OK Dovecot ready."),
        (b"RFB 003.008\n", "vnc", "vnc.banner", "RFB 003.008"),
        (b"\x4a\x00\x00\x00\x0a5.5.5-10.11.19-MariaDB\x00rest", "mysql", "mysql.banner", "5.5.5-10.11.19-MariaDB"),
        (b"\x40\x00\x00\x00\xff\x6a\x04Host '192.0.2.1' is not allowed to connect to this MariaDB server", "mysql", "mysql.error",
         "Host '192.0.2.1' is not allowed to connect to this MariaDB server"),
    ],
)  # fmt: skip
def test_greetings(raw: bytes, protocol: str, kind: str, text: str) -> None:
    banner = read_banner(raw)
    assert banner.protocol == protocol
    assert banner.observations[0] == Observation(kind, text)


def test_telnet_and_refusals() -> None:
    assert read_banner(b"\xff\xfd\x18\xff\xfd\x20").protocol == "telnet"
    assert read_banner(b"554 go away\r\n").protocol == "refusing"
    assert read_banner(b"").protocol == ""


@pytest.mark.corpora
@needs_recog
def test_every_recog_example() -> None:
    wrong: list[str] = []
    fingerprints = examples = 0
    for path in sorted((VULNDATA / "recog").glob("*.xml")):
        for fingerprint in read_file(path):
            fingerprints += 1
            examples += len(fingerprint.examples)
            wrong += check_examples(fingerprint)
    assert wrong == []
    assert fingerprints > 4000
    assert examples > 7000


@pytest.mark.corpora
@needs_recog
def test_recog_as_a_feed(tmp_path: Path) -> None:
    store = tmp_path / "vulndb.sqlite3"
    assert import_recog(store, (VULNDATA / "recog",)) > 500
    db = VulnDb.open(store)
    try:
        recogniser = Recogniser(imported_fingerprints(db))
    finally:
        db.close()
    # A product that only recog knows, through the text that our engine hands on.
    seen = read_banner(b"220 ftp.example.org FTP server (Version wu-2.6.2(1) Mon Dec 3 2001) ready.\r\n").observations
    found = [i for o in seen for i in recogniser.identify(o)]
    assert any("recog:" in i.fingerprint for i in found)
    # Ours come first.
    assert recogniser.identify(Observation("http.server", "nginx/1.18.0"))[0].fingerprint == "nginx"


RECOG = """<?xml version='1.0' encoding='UTF-8'?>
<fingerprints matches="ssh.banner" protocol="ssh" preference="0.90">
  <fingerprint pattern="^Widget(?i)Shell[_/]([\\d.]+)(?: \\((\\w+)\\))?$">
    <description>A made-up server</description>
    <example service.version="1.2">WidgetShell_1.2</example>
    <example service.version="1.3" widget.place="north">Widgetshell/1.3 (north)</example>
    <param pos="0" name="service.vendor" value="Example"/>
    <param pos="0" name="service.product" value="Widget Shell"/>
    <param pos="1" name="service.version"/>
    <param pos="2" name="widget.place"/>
    <param pos="0" name="service.cpe23" value="cpe:/a:example:widget_shell:{service.version}"/>
  </fingerprint>
</fingerprints>
"""


def test_recog_shape_without_their_files(tmp_path: Path) -> None:
    path = tmp_path / "widgets.xml"
    path.write_text(RECOG, "utf-8")
    (fingerprint,) = read_file(path)
    assert check_examples(fingerprint) == []
    store = tmp_path / "db.sqlite3"
    assert import_recog(store, (path,)) == 1
    db = VulnDb.open(store)
    try:
        (identity,) = Recogniser(imported_fingerprints(db)).identify(Observation("ssh.banner", "WidgetShell_1.2"))
    finally:
        db.close()
    assert (identity.vendor, identity.product, identity.version) == ("example", "widget_shell", "1.2")


def test_wrong_example_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "widgets.xml"
    path.write_text(RECOG.replace('service.version="1.2"', 'service.version="9"').replace("_1.2<", "_1.2 <"), "utf-8")
    (fingerprint,) = read_file(path)
    assert len(check_examples(fingerprint)) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><fingerprints>&b;</fingerprints>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><fingerprints>&e;</fingerprints>',
        "<fingerprints>",
        "",
    ],
)
def test_hostile_xml_is_refused_and_the_store_stays(hostile: str, tmp_path: Path) -> None:
    good, bad, store = tmp_path / "good.xml", tmp_path / "bad.xml", tmp_path / "db.sqlite3"
    good.write_text(RECOG, "utf-8")
    bad.write_text(hostile, "utf-8")
    import_recog(store, (good,))
    before = store.read_bytes()
    with pytest.raises(FeedError):
        import_recog(store, (bad,))
    assert store.read_bytes() == before
