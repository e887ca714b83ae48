"""The store and its feeds: shape, swap, refusal, and what real data gives."""

from __future__ import annotations

import gzip
import json
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.scanner.cpe import all_names, parse_cpe
from cyberalarm.scanner.errors import FeedError
from cyberalarm.scanner.feeds.kev import import_kev
from cyberalarm.scanner.feeds.nvd import import_nvd, read_record
from cyberalarm.scanner.feeds.starter import read_starter
from cyberalarm.scanner.feeds.store import VulnDb, rebuild
from cyberalarm.scanner.feeds.vulnerability import score_of
from cyberalarm.scanner.identity import Identity
from cyberalarm.scanner.matching import match
from tests.scanner.test_scan_fingerprints import VULNDATA

if TYPE_CHECKING:
    from pathlib import Path

needs_nvd = pytest.mark.skipif(
    not (VULNDATA / "nvd-data-overrides").is_dir(), reason="no NVD-shaped data here (CYBERALARM_VULNDATA)"
)
needs_kev = pytest.mark.skipif(
    not (VULNDATA / "cisa-kev").is_dir(), reason="no KEV catalogue here (CYBERALARM_VULNDATA)"
)


def nvd_record(cve: str = "CVE-2099-0001", end: str = "2.0.0", **changes: object) -> dict[str, object]:
    match_ = {
        "criteria": "cpe:2.3:a:example:widget:*:*:*:*:*:*:*:*",
        "vulnerable": True,
        "versionEndExcluding": end,
    }
    record = {
        "id": cve,
        "published": "2099-01-02T03:04:05.000",
        "vulnStatus": "Analyzed",
        "descriptions": [{"lang": "es", "value": "no"}, {"lang": "en", "value": "A made-up flaw."}],
        "metrics": {
            "cvssMetricV31": [
                {
                    "type": "Secondary",
                    "cvssData": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"},
                },
                {
                    "type": "Primary",
                    "cvssData": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
                },
            ]
        },
        "configurations": [{"nodes": [{"operator": "OR", "negate": False, "cpeMatch": [match_]}]}],
    }
    return {"cve": record | changes}


def page(*records: dict[str, object]) -> str:
    return json.dumps(
        {"resultsPerPage": len(records), "format": "NVD_CVE", "version": "2.0", "vulnerabilities": records}
    )


def widget(version: str) -> Identity:
    return Identity("example", "widget", "Widget", version, packaged=False)


def confidences(store: Path, identity: Identity) -> dict[str, str]:
    db = VulnDb.open(store)
    try:
        return {a.vulnerability.cve: str(a.confidence) for a in match(identity, db)}
    finally:
        db.close()


def test_nvd_page_plain_and_packed(tmp_path: Path) -> None:
    plain, packed, store = tmp_path / "a.json", tmp_path / "b.jsonl.gz", tmp_path / "db.sqlite3"
    plain.write_text(page(nvd_record()), "utf-8")
    packed.write_bytes(gzip.compress(json.dumps(nvd_record("CVE-2099-0002", "3.0")).encode() + b"\n"))
    count = import_nvd(store, (tmp_path,))
    assert (count.files, count.kept, count.unreadable) == (2, 2, 0)
    assert confidences(store, widget("2.5")) == {"CVE-2099-0001": "None", "CVE-2099-0002": "firm"}
    db = VulnDb.open(store)
    try:
        item = db.vulnerability("CVE-2099-0001")
        assert item is not None
        assert (item.title, item.published, item.source) == ("A made-up flaw.", "2099-01-02", "nvd")
        assert score_of(item.vector).base == 9.8
        assert {f.name for f in db.feeds()} == {"starter", "nvd"}
    finally:
        db.close()


def test_a_new_import_replaces_the_old(tmp_path: Path) -> None:
    file, store = tmp_path / "a.json", tmp_path / "db.sqlite3"
    file.write_text(page(nvd_record(), nvd_record("CVE-2099-0003")), "utf-8")
    import_nvd(store, (file,))
    file.write_text(page(nvd_record(end="1.5")), "utf-8")
    import_nvd(store, (file,))
    assert confidences(store, widget("1.7")) == {"CVE-2099-0001": "None"}
    assert confidences(store, widget("1.2")) == {"CVE-2099-0001": "firm"}


def test_a_record_twice_counts_once(tmp_path: Path) -> None:
    file, store = tmp_path / "a.json", tmp_path / "db.sqlite3"
    file.write_text(page(nvd_record(end="9.9"), nvd_record(end="1.5")), "utf-8")
    import_nvd(store, (file,))
    assert confidences(store, widget("1.7")) == {"CVE-2099-0001": "None"}


@pytest.mark.parametrize(
    "broken", ["", "{", '{"vulnerabilities": [{}]}', '{"cve": 3}', "[]", '{"vulnerabilities": []}']
)
def test_a_broken_feed_leaves_the_store_alone(broken: str, tmp_path: Path) -> None:
    good, bad, store = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "db.sqlite3"
    good.write_text(page(nvd_record()), "utf-8")
    bad.write_text(broken, "utf-8")
    import_nvd(store, (good,))
    before = store.read_bytes()
    with pytest.raises(FeedError):
        import_nvd(store, (bad,))
    assert store.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json", "db.sqlite3"]


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(page(nvd_record()).encode())
    file = tmp_path / "a.json.gz"
    file.write_bytes(whole[:-20])
    with pytest.raises(FeedError):
        import_nvd(tmp_path / "db.sqlite3", (file,))


def test_unreadable_records_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    bad = nvd_record("not a cve")
    bare = nvd_record("CVE-2099-0009", configurations=[])
    file.write_text(page(nvd_record(), bad, bare), "utf-8")
    count = import_nvd(tmp_path / "db.sqlite3", (file,))
    assert (count.kept, count.unreadable, count.without_ranges) == (1, 1, 1)


def test_a_reader_keeps_its_store_during_a_swap(tmp_path: Path) -> None:
    file, store = tmp_path / "a.json", tmp_path / "db.sqlite3"
    file.write_text(page(nvd_record()), "utf-8")
    import_nvd(store, (file,))
    reader = VulnDb.open(store)
    try:
        file.write_text(page(nvd_record("CVE-2099-0077")), "utf-8")
        import_nvd(store, (file,))
        assert [v.cve for v in reader.naming("example", "widget")] == ["CVE-2099-0001"]
    finally:
        reader.close()
    assert list(confidences(store, widget("1.0"))) == ["CVE-2099-0077"]


def test_a_crash_in_the_middle_leaves_the_old_store(tmp_path: Path) -> None:
    store = tmp_path / "db.sqlite3"
    rebuild(store, lambda _: None)
    before = store.read_bytes()

    def fails(_: object) -> None:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        rebuild(store, fails)
    assert store.read_bytes() == before


def test_status_gates() -> None:
    assert read_record(nvd_record(vulnStatus="Rejected")).status == "rejected"  # type: ignore[union-attr]
    disputed = read_record(nvd_record(cveTags=[{"sourceIdentifier": "x", "tags": ["disputed"]}]))
    assert disputed is not None
    assert disputed.status == "disputed"


@pytest.mark.parametrize("other", ["text", "another database"])
def test_a_strange_store_is_refused(other: str, tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    if other == "text":
        path.write_text("hello " * 500, "utf-8")
    else:
        sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(FeedError):
        VulnDb.open(path)
    with pytest.raises(FeedError):
        VulnDb.open(tmp_path / "missing")


def test_starter_set_holds_together() -> None:
    items, exploited, info = read_starter()
    assert 20 <= len(items) <= 40
    assert info.rows == len(items)
    assert "not a complete feed" in info.note
    for item in items:
        assert score_of(item.vector).base is not None, item.cve
        assert item.title
        assert item.advice
        assert item.title[0].isupper()
    assert len({i.cve for i in items}) == len(items)
    wanted = {
        "CVE-2021-41773",
        "CVE-2021-42013",
        "CVE-2024-6387",
        "CVE-2018-15473",
        "CVE-2019-10149",
        "CVE-2011-2523",
        "CVE-2015-3306",
    }
    assert wanted <= {i.cve for i in items}
    assert "CVE-2024-6387" not in exploited


@pytest.mark.corpora
@needs_kev
def test_kev_and_the_starter_set_agree(tmp_path: Path) -> None:
    store = tmp_path / "db.sqlite3"
    assert import_kev(store, VULNDATA / "cisa-kev" / "known_exploited_vulnerabilities.json") == 1404
    items, exploited, _ = read_starter()
    db = VulnDb.open(store)
    try:
        for item in items:
            assert db.exploited(item.cve) == exploited.get(item.cve), item.cve
    finally:
        db.close()


def test_kev_with_a_wrong_count_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kev.json"
    file.write_text(json.dumps({"dateReleased": "2025-08-25T17:04:19Z", "count": 2, "vulnerabilities": []}), "utf-8")
    with pytest.raises(FeedError):
        import_kev(tmp_path / "db.sqlite3", file)


@pytest.mark.corpora
@needs_nvd
def test_nvd_shaped_data(tmp_path: Path) -> None:
    store = tmp_path / "db.sqlite3"
    count = import_nvd(store, (VULNDATA / "nvd-data-overrides",))
    assert (count.files, count.unreadable) == (28, 0)
    assert count.kept > 32_000
    db = VulnDb.open(store)
    try:
        regression = db.vulnerability("CVE-2024-6387")
        assert regression is not None
        # Ours outranks the override, and the ranges of both say the same of a few versions.
        assert regression.source == "starter"
        old = Identity("apache", "http_server", "Apache HTTP Server", "2.4.49", platform="unix")
        assert sum(a.confidence is not None for a in match(old, db)) > 10
    finally:
        db.close()


@given(st.text())
def test_cpe_reading_is_total(text: str) -> None:
    for candidate in (text, f"cpe:2.3:a:{text}:p:1:*:*:*:*:*:*:*"):
        try:
            parse_cpe(candidate)
        except ValueError:
            continue


def test_cpe_escapes_and_aliases() -> None:
    cpe = parse_cpe(r"cpe:2.3:a:ex\:ample:big\!thing:1.0\(2\):p1:*:*:*:wordpress:*:*")
    assert (cpe.vendor, cpe.product, cpe.version, cpe.update, cpe.target_sw) == (
        "ex:ample",
        "big!thing",
        "1.0(2)",
        "p1",
        "wordpress",
    )
    assert all_names("igor_sysoev", "nginx") == all_names("f5", "nginx")
    assert all_names("Nobody", "Nothing") == (("nobody", "nothing"),)


@given(st.text())
def test_scoring_is_total(vector: str) -> None:
    assert score_of(vector).severity in {"critical", "high", "medium", "low", "none", "unscored"}


@pytest.mark.parametrize(
    ("vector", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "critical"),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", "high"),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", "high"),
        ("", "unscored"),
        ("CVSS:3.1/AV:N", "unscored"),
        ("CVSS:9.9/what", "unscored"),
    ],
)
def test_scores(vector: str, severity: str) -> None:
    assert score_of(vector).severity == severity
