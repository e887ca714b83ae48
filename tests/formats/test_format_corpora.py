"""Real lines by others: our packs know their own products' lines, claim nobody else's, and read what others read in them."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from cyberalarm.formats.library import bundled
from tests.formats import judgements
from tests.formats.corpora import expected, folders, lines, needs_corpora
from tests.kernel.decoding import Fate, fates

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.corpora, needs_corpora]
FALLBACKS = {pack.name for pack in bundled().packs if pack.fallback}

# Lines in folders that nobody judges may only be known to these: products whose lines stand in many collections.
EVERYWHERE = {"linux-system", "web-access"}


def test_no_pack_claims_another_products_lines() -> None:
    """What a pack claims, some judgement must grant: as the folder's own product, or as a stranger whose line it is."""
    judged = {folder.name: folder for folder in judgements.folders()}
    grants = judgements.grants()
    wrong: Counter[tuple[str, str, str]] = Counter()
    seen = 0
    for name in folders():
        folder = judged.get(name)
        for found in fates(*lines(name)):
            seen += 1
            granted = found.product in grants.get(name, ())
            if folder is not None:
                granted = found.product in folder.packs or found.line in folder.strangers
            if not (granted or found.product in {None, *EVERYWHERE, *FALLBACKS}):
                wrong[(name, str(found.product), found.outcome)] += 1
    assert not wrong
    assert seen > 5_000


def test_everyday_services_never_make_an_event() -> None:
    events = [f for folder in folders() for f in fates(*lines(folder)) if f.product == "linux-system" and f.event]
    assert not events


def _agrees(found: Fate, wanted: dict[str, Any]) -> list[str]:
    wrong = []
    for name, value in wanted.items():
        if value in (None, ""):
            continue
        got = found.event.get(name)
        same = ip_address(got) == ip_address(value) if name.endswith("_ip") and got else got == value
        if not same:
            wrong.append(f"line {found.line}: {name} is {got!r}, not {value!r}")
    return wrong


def _whole(number: object) -> int | None:
    return int(str(number)) if number not in (None, "") else None


def _crowdsec(folder: str, parser: str) -> Iterator[tuple[Fate, dict[str, Any]]]:
    found = fates(*lines(folder))
    for row in expected(folder, "expected-parse.jsonl"):
        if row["parser"] != parser or not row["success"]:
            continue
        parsed = row["parsed"]
        yield (
            found[row["i"]],
            {
                "src_ip": parsed.get("src_ip") or row["meta"].get("source_ip"),
                "dst_ip": parsed.get("dst_ip") or parsed.get("dest_ip"),
                "src_port": _whole(parsed.get("src_port")),
                "dst_port": _whole(parsed.get("dst_port") or parsed.get("dest_port")),
            },
        )


@pytest.mark.parametrize(
    ("folder", "parser", "least"),
    [
        ("crowdsec-hub/pf-logs", "firewallservices/pf-logs", 9),
        ("crowdsec-hub/suricata-logs-evelog", "crowdsecurity/suricata-evelogs", 4),
        ("crowdsec-hub/unifi-logs", "crowdsecurity/iptables-logs", 3),
    ],
)
def test_addresses_and_ports_are_those_that_crowdsec_reads(folder: str, parser: str, least: int) -> None:
    compared = list(_crowdsec(folder, parser))
    assert [w for found, wanted in compared for w in _agrees(found, wanted)] == []
    assert len(compared) >= least


def test_unifis_verdict_is_in_the_rules_name_not_in_its_description() -> None:
    rows = [
        r
        for r in expected("crowdsec-hub/unifi-logs", "expected-parse.jsonl")
        if r["parser"] == "crowdsecurity/iptables-logs" and r["success"] and r["parsed"].get("action")
    ]
    found = fates(*lines("crowdsec-hub/unifi-logs"))
    meaning = {"A": "allowed", "D": "blocked", "R": "blocked"}
    assert [found[r["i"]].event["action"] for r in rows] == [meaning[r["parsed"]["action"]] for r in rows]
    assert {r["parsed"]["action"] for r in rows} == {"A", "D"}


def test_the_sources_of_crowdsecs_port_scans_are_seen() -> None:
    sources = Counter(f.event["src_ip"] for f in fates(*lines("crowdsec-hub/iptables-scan-multi-port")))
    assert sources["62.34.17.168"] >= 16
    assert sources["127.0.0.2"] >= 16


@pytest.mark.parametrize(("folder", "least"), [("wazuh-engine/suricata", 20), ("wazuh-engine/fortinet", 2)])
def test_addresses_and_ports_are_those_that_wazuh_reads(folder: str, least: int) -> None:
    found = fates(*lines(folder))
    wrong: list[str] = []
    compared = 0
    for row in expected(folder):
        if row["line"] is None or found[row["line"] - 1].outcome != "kept":
            continue
        source = row["expected"].get("source", {})
        target = row["expected"].get("destination", {})
        compared += 1
        wrong += _agrees(
            found[row["line"] - 1],
            {
                "src_ip": source.get("ip"),
                "dst_ip": target.get("ip"),
                "src_port": _whole(source.get("port")),
                "dst_port": _whole(target.get("port")),
                "bytes_in": _whole(source.get("bytes")) if folder.endswith("suricata") else None,
                "bytes_out": _whole(target.get("bytes")) if folder.endswith("suricata") else None,
            },
        )
    assert wrong == []
    assert compared >= least
