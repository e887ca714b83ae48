"""Whatever bytes come: no error, exactly one outcome a line, and no address that the line does not hold."""

from __future__ import annotations

import json
import re
import tomllib
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.core.outcome import OUTCOMES
from cyberalarm.formats import loader
from cyberalarm.formats.library import bundled
from cyberalarm.formats.pack import Pack
from tests.kernel.decoding import EXAMPLES, NOON, batch_of, told

if TYPE_CHECKING:
    from cyberalarm._kernel import Batch

_pieces = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([line.encode() for line in EXAMPLES]),
    st.sampled_from([line.encode()[: len(line) // 2] for line in EXAMPLES]),
    st.sampled_from([b"\n", b"\r\n", b"\0", b'"', b"\\", b"CEF:0|", b"{", b"%ASA-", b"<134>", b"=", b","]),
)
_buffers = st.lists(_pieces, max_size=12).map(b"".join)


def lines_of(buffer: bytes) -> list[bytes]:
    """A newline ends a line; what follows the last one is a line too, unless it is nothing."""
    lines = buffer.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def check(buffer: bytes, batch: Batch) -> None:
    lines = lines_of(buffer)
    assert batch.lines == len(lines) == len(batch.outcomes) == sum(batch.counts())
    assert batch.counts() == [batch.outcomes.count(code) for code in range(len(OUTCOMES))]
    assert batch.rows == batch.outcomes.count(OUTCOMES.index("kept"))
    found = told(batch)
    assert [f.line for f in found] == list(range(1, len(lines) + 1))
    assert [f.outcome for f in found] == [OUTCOMES[code] for code in batch.outcomes]
    assert sum(bool(f.event) for f in found) == batch.rows
    assert sum(count for _, count in batch.products()) == sum(f.product is not None for f in found)


@settings(max_examples=300, deadline=None)
@given(_buffers)
def test_arbitrary_bytes(buffer: bytes) -> None:
    check(buffer, batch_of(buffer))


@settings(max_examples=100, deadline=None)
@given(_buffers, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_arbitrary_clocks(buffer: bytes, received: int, offset: int) -> None:
    check(buffer, batch_of(buffer, received_ms=received, utc_offset_s=offset))


@settings(max_examples=100, deadline=None)
@given(_buffers)
def test_a_buffer_in_two_pieces_says_the_same(buffer: bytes) -> None:
    whole = told(batch_of(buffer))
    at = buffer.find(b"\n") + 1
    first, second = batch_of(buffer[:at]), batch_of(buffer[at:])
    assert told(first) + told(second, first.lines + 1) == whole


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.sampled_from([line.encode() for line in EXAMPLES])))
def test_explain_tells_what_decode_does(line: bytes) -> None:
    line = line.replace(b"\n", b" ")
    explained = json.loads(bundled().kernel.explain(line, received_ms=NOON))
    (decoded,) = told(batch_of(line + b"\n"))
    assert explained["outcome"] == decoded.outcome
    assert explained["product"] == decoded.product
    assert (explained["event"] or {}) == decoded.event


_ADDRESS_LIKE = re.compile(rb"[0-9A-Fa-f:.]{2,}")


def addresses_in(line: bytes) -> set[object]:
    """Every address that some part of the line spells, without leading zeros' octal sense."""
    found: set[object] = set()
    for token in _ADDRESS_LIKE.findall(line):
        text = token.decode()
        for start in range(len(text)):
            for end in range(start + 2, min(len(text), start + 45) + 1):
                part = re.sub(r"(^|\.)0+(?=\d)", r"\1", text[start:end])
                try:
                    address = ip_address(part)
                except ValueError:
                    continue
                found.add(getattr(address, "ipv4_mapped", None) or address)
    return found


def check_addresses(line: bytes, event: dict[str, str]) -> None:
    named = {ip_address(event[name]) for name in ("src_ip", "dst_ip") if name in event}
    if named:
        assert named <= addresses_in(line)


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_cut_anywhere(line: str) -> None:
    raw = line.encode()
    cuts = [raw[:end] for end in range(len(raw))]
    found = told(batch_of(b"".join(cut + b"\n" for cut in cuts)))
    assert len(found) == len(cuts)
    whole = addresses_in(raw)
    for cut, one in zip(cuts, found, strict=True):
        named = {ip_address(one.event[name]) for name in ("src_ip", "dst_ip") if name in one.event}
        assert named <= whole or named <= addresses_in(cut)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(EXAMPLES), st.data())
def test_an_example_with_any_byte_changed(line: str, data: st.DataObject) -> None:
    raw = bytearray(line.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(raw)
    batch = batch_of(changed)
    check(changed, batch)
    for part, one in zip(lines_of(changed), told(batch), strict=True):
        check_addresses(part, one.event)


# These still believe the end of a line shorter than the thousand bytes at which relays cut: a weakness, known by name. Whoever
# mends one has to take it off the list, since the test then fails.
BELIEVE_SHORT_CUTS = {
    "a10-thunder",
    "arista-eos",
    "aruba-arubaos",
    "aruba-clearpass",
    "aviatrix-gateway",
    "aws-cloudfront",
    "aws-network-firewall",
    "barracuda-cloudgen",
    "barracuda-waf",
    "cato-sase",
    "checkpoint-firewall",
    "cisco-asa",
    "cisco-firepower",
    "cisco-ios",
    "cisco-meraki",
    "cisco-web-security",
    "citrix-netscaler",
    "clavister-cos-core",
    "cloudflare-logs",
    "f5-bigip",
    "forcepoint-ngfw",
    "forcepoint-web",
    "generic-cef",
    "generic-json",
    "generic-leef",
    "google-cloud",
    "hpe-comware",
    "hpe-procurve",
    "huawei-usg",
    "imperva-cloud-waf",
    "ivanti-connect-secure",
    "juniper-junos",
    "juniper-screenos",
    "juniper-srx",
    "kerio-control",
    "microsoft-azure-firewall",
    "microsoft-azure-waf",
    "microsoft-sysmon",
    "microsoft-windows-file-sharing",
    "microsoft-windows-filtering",
    "mikrotik-routeros",
    "nagios-nrpe",
    "netgate-pfsense",
    "netskope-cloud",
    "nginx-nginx",
    "opnsense-opnsense",
    "peplink-balance",
    "sangfor-ngaf",
    "sophos-firewall",
    "sophos-utm",
    "stormshield-sns",
    "ubiquiti-unifi",
    "untangle-ng-firewall",
    "versa-vos",
    "vmware-avi",
    "vmware-nsx",
    "wazuh-platform",
    "zscaler-zia",
    "zscaler-zpa",
    "zyxel-usg",
}


def _firewalls() -> list[object]:
    weak = pytest.mark.xfail(reason="believes the end of a short line that was cut", strict=True)
    packs = [pack.name for pack in bundled().packs if pack.sensor == "firewall"]
    return [pytest.param(name, marks=weak) if name in BELIEVE_SHORT_CUTS else name for name in packs]


@pytest.mark.parametrize("name", _firewalls())
def test_cut_lines_never_give_a_shortened_address_or_port(name: str) -> None:
    """A cut inside a number leaves a smaller number that looks whole."""
    wrong = []
    for example in bundled().pack(name).example:
        raw = example.line.encode()
        cuts = [raw[:end] for end in range(len(raw))]
        for cut, one in zip(cuts, told(batch_of(b"".join(c + b"\n" for c in cuts))), strict=True):
            read = {name: one.event.get(name) for name in ("src_ip", "dst_ip", "src_port", "dst_port")}
            shorter = {name: value for name, value in read.items() if value not in (None, example.event.get(name))}
            if shorter:
                wrong.append((shorter, cut[-40:]))
    assert wrong == []


_LONG = {
    "kv": ("", "door pad={pad} other=1 src={address}"),
    "cef": ("", "CEF:0|Example|Door|1|1|n|1|pad={pad} src={address}"),
    "leef": ("", "LEEF:1.0|Example|Door|1|1|pad={pad}\tsrc={address}"),
    "csv": ('columns = ["a", "pad", "src"]', "door,{pad},{address}"),
    "template": ('templates = ["door {{pad}} from {{src:ip}}"]', "door {pad} from {address}"),
}


@pytest.mark.parametrize("syntax", _LONG)
def test_what_ends_a_long_line_may_have_been_cut_there(syntax: str) -> None:
    """Relays cut lines at about a thousand bytes; shorter ones end where their device ended them."""
    options, form = _LONG[syntax]
    text = f"""
name = "example-door"
vendor = "Example"
product = "Door"
version = 1
sensor = "firewall"
summary = "x"
transports = ["udp"]
setup = "x"
[[line]]
name = "door"
syntax = "{syntax}"
begins = ["door", "CEF:0|Example|", "LEEF:1.0|Example|"]
{options.format()}
[[line.kind]]
name = "any"
fields = {{ src_ip = "src" }}
[[example]]
line = "x"
outcome = "noise"
"""
    kernel = loader.build((Pack.model_validate(tomllib.loads(text)),)).kernel

    def read(pad: int, after: str = "") -> str | None:
        line = form.format(pad="x" * pad, address="192.0.2.10") + after
        (row,) = told(kernel.decode(line.encode(), received_ms=NOON))
        return row.event.get("src_ip")

    assert read(900) == "192.0.2.10"
    assert read(1_000) is None
    if syntax in {"kv", "cef", "csv", "template"}:
        assert read(1_000, ", x=1" if syntax == "csv" else " x=1") == "192.0.2.10"


def test_the_tests_own_reading_of_lines() -> None:
    assert [len(lines_of(buffer)) for buffer in (b"", b"\n", b"a", b"a\n", b"a\n\n", b"\r\n")] == [0, 1, 1, 1, 2, 1]
    assert all(a <= b for a, b in pairwise(sorted(map(str, addresses_in(b"x 192.0.2.1/24 2001:db8::1")))))
    assert ip_address("192.0.2.1") in addresses_in(b"x192.0.2.10")
