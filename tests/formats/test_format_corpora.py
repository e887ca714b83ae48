"""Real lines by others: our packs know their own products' lines, claim nobody else's, and read what others read in them."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from tests.formats.corpora import expected, folders, lines, needs_corpora
from tests.kernel.decoding import Fate, fates

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.corpora, needs_corpora]

# Which packs may speak for a folder's lines. `linux-system` knows every machine's everyday services and makes no events.
OWN = {
    "cisco-asa": ["cisco-asa", "cisco-ftd", "pix", "cisco-pix", "cisco-fwsm", "common"],
    "fortinet-fortigate": ["fortigate", "fortinet-ngfw", "fortinet"],
    # The kernel's firewall under other names: UniFi and Aviatrix gateways log through it.
    "linux-netfilter": ["iptables", "iptables-scan-multi-port", "kernel", "ubiquiti-unifi", "unifi-logs", "aviatrix"],
    "netgate-pfsense": ["pfsense", "pf-logs", "pfsense-gui-auth"],
    "oisf-suricata": ["suricata", "suricata-logs-evelog", "malicious-ioc"],
    "clamav-clamav": ["clamav"],
    "apache-spamassassin": [],
    "rspamd-rspamd": [],
}
# What stands in these folders without being the product's own log, and how many such lines there are.
STRANGERS = {
    "sc4s/fortinet-ngfw": 1,  # FortiWeb behind a program name
    "sc4s/pfsense": 1,  # the kernel's own trouble
    "sc4s/ubiquiti-unifi": 4,  # switches and access points
    "crowdsec-hub/unifi-logs": 1,  # sshd
    "wazuh-engine/fortinet": 12,  # FortiClient and FortiMail
}
KNOWN = [
    "crowdsec-hub/iptables-scan-multi-port",
    "crowdsec-hub/pf-logs",
    "crowdsec-hub/pfsense-gui-auth",
    "crowdsec-hub/suricata-logs-evelog",
    "crowdsec-hub/unifi-logs",
    "sc4s/cisco-asa",
    "sc4s/cisco-fwsm",
    "sc4s/cisco-pix",
    "sc4s/fortinet-ngfw",
    "sc4s/pfsense",
    "sc4s/suricata",
    "sc4s/ubiquiti-unifi",
    "wazuh/cisco-asa",
    "wazuh/cisco-ftd",
    "wazuh/fortigate",
    "wazuh/iptables",
    "wazuh/pfsense",
    "wazuh/pix",
    "wazuh-decoder-samples/cisco-asa",
    "wazuh-decoder-samples/cisco-ftd",
    "wazuh-decoder-samples/clamav",
    "wazuh-decoder-samples/fortigate",
    "wazuh-decoder-samples/kernel",
    "wazuh-decoder-samples/pfsense",
    "wazuh-decoder-samples/pix",
    "wazuh-engine/fortinet",
    "wazuh-engine/suricata",
]


@pytest.mark.parametrize("folder", KNOWN)
def test_our_products_lines_are_known(folder: str) -> None:
    found = fates(*lines(folder))
    product = folder.rpartition("/")[2]
    mine = {pack for pack, products in OWN.items() if product in products}
    assert mine
    unknown = [f.line for f in found if f.product not in mine | {"linux-system"}]
    assert len(unknown) == STRANGERS.get(folder, 0), unknown
    # In these collections a few lines are cut off, or hold words for addresses; most are whole.
    broken = sum(f.outcome == "malformed" for f in found)
    assert broken <= max(1, len(found) // 8)


def test_no_pack_claims_another_products_lines() -> None:
    wrong: Counter[tuple[str, str, str]] = Counter()
    seen = 0
    for folder in folders():
        product = folder.rpartition("/")[2]
        for found in fates(*lines(folder)):
            seen += 1
            if found.product in (None, "linux-system") or product in OWN[found.product]:
                continue
            wrong[(folder, found.product, found.outcome)] += 1
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
