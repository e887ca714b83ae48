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
    from cyberalarm._kernel import Batch, Packs

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


# Products that end whole lines in an address or port, at places where other lines of theirs go on: there, nothing tells a cut line
# from a whole one, and the end of a short line is believed. Whoever mends one has to take it off, since the test then fails.
BELIEVE_THEIR_ENDS = {
    "checkpoint-firewall": "puts its keys in order, so that many lines end in `src`, in all forms but the first",
    "clavister-cos-core": "ends connections that open, sign-ins and alerts in an address or port, others in counts and flags",
    "generic-cef": "of products that nobody knows, in a form that gives keys no order",
    "generic-leef": "of products that nobody knows, in a form that gives keys no order",
    "imperva-cloud-waf": "ends in the port or the address, by what the site has switched on",
    "juniper-screenos": "older versions end in the destination or its port, later ones go on",
    "kerio-control": "ends alerts in the port, unless that host has a name",
}


def _firewalls() -> list[object]:
    weak = {name: pytest.mark.xfail(reason=why, strict=True) for name, why in BELIEVE_THEIR_ENDS.items()}
    packs = [pack.name for pack in bundled().packs if pack.sensor == "firewall"]
    return [pytest.param(name, marks=weak.get(name, ())) for name in packs]


@pytest.mark.parametrize("name", _firewalls())
def test_cut_lines_never_give_a_shortened_address_or_port(name: str) -> None:
    """A cut inside a number leaves a smaller number that looks whole. Where the whole line ends in that value, nothing tells."""
    wrong = []
    for example in bundled().pack(name).example:
        raw = example.line.encode()
        cuts = [raw[:end] for end in range(len(raw))]
        for cut, one in zip(cuts, told(batch_of(b"".join(c + b"\n" for c in cuts))), strict=True):
            for field in ("src_ip", "dst_ip", "src_port", "dst_port"):
                value, whole = one.event.get(field), example.event.get(field)
                at_the_cut = value not in (None, whole) and cut.endswith(str(value).encode())
                if at_the_cut and not raw.rstrip().endswith(str(whole).encode()):
                    wrong.append((field, value, cut[-40:]))
    assert wrong == []


_LONG = {
    "kv": ("", "door pad={pad} other=1 src={address}"),
    "cef": ("", "CEF:0|Example|Door|1|1|n|1|pad={pad} src={address}"),
    "leef": ("", "LEEF:1.0|Example|Door|1|1|pad={pad}\tsrc={address}"),
    "csv": ('columns = ["a", "pad", "src"]', "door,{pad},{address}"),
    "template": ('templates = ["door {{pad}} from {{src:ip}}"]', "door {pad} from {address}"),
}


def _doors(syntax: str, options: str) -> Packs:
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
begins = ["door", "{{", "<src>", "CEF:0|Example|", "LEEF:1.0|Example|"]
{options}
[[line.kind]]
name = "any"
fields = {{ src_ip = "src" }}
[[example]]
line = "x"
outcome = "noise"
"""
    return loader.build((Pack.model_validate(tomllib.loads(text)),)).kernel


def _source(library: Packs, line: str) -> str | None:
    (row,) = told(library.decode(line.encode(), received_ms=NOON))
    return row.event.get("src_ip")


@pytest.mark.parametrize("syntax", _LONG)
def test_what_ends_a_long_line_may_have_been_cut_there(syntax: str) -> None:
    """Relays cut lines at about a thousand bytes; shorter ones mostly end where their device ended them."""
    options, form = _LONG[syntax]
    library = _doors(syntax, options.format())

    def read(pad: int, after: str = "") -> str | None:
        return _source(library, form.format(pad="x" * pad, address="192.0.2.10") + after)

    assert read(900) == "192.0.2.10"
    assert read(1_000) is None
    assert read(1_000, " ") == "192.0.2.10"
    if syntax in {"kv", "cef", "csv", "template"}:
        assert read(1_000, ", x=1" if syntax == "csv" else " x=1") == "192.0.2.10"


@pytest.mark.parametrize("syntax", _LONG)
def test_a_pack_may_say_that_nothing_ends_in_an_address(syntax: str) -> None:
    options, form = _LONG[syntax]
    library = _doors(syntax, "last_may_be_cut = true\n" + options.format())
    line = form.format(pad="x", address="192.0.2.10")
    assert _source(library, line) is None
    assert _source(library, line + " ") == "192.0.2.10"


def test_a_template_may_say_that_it_may_end_in_an_address() -> None:
    templates = "templates = ['door from {src:ip}[{$}][ via {*:word}]', 'door seen from {src:ip}[ via {*:word}]']"
    library = _doors("template", "last_may_be_cut = true\n" + templates)
    assert _source(library, "door from 192.0.2.10") == "192.0.2.10"
    assert _source(library, "door seen from 192.0.2.10") is None
    assert _source(library, "door seen from 192.0.2.10 via") == "192.0.2.10"


@pytest.mark.parametrize(
    ("syntax", "options", "cut", "whole"),
    [
        ("csv", 'columns = ["a", "src", "b"]', "door,192.0.2.1", "door,192.0.2.1,"),
        ("json", "", '{"src": "192.0.2.1', '{"src": "192.0.2.1"'),
        ("json", "", '{"src": 1921', '{"src": "192.0.2.1", "port": 1921'),
        ("xml", "", "<src>192.0.2.1", "<src>192.0.2.1</src>"),
    ],
)
def test_lines_that_were_cut_for_sure(syntax: str, options: str, cut: str, whole: str) -> None:
    library = _doors(syntax, options)
    assert _source(library, cut) is None
    assert _source(library, whole) == "192.0.2.1"


def test_the_tests_own_reading_of_lines() -> None:
    assert [len(lines_of(buffer)) for buffer in (b"", b"\n", b"a", b"a\n", b"a\n\n", b"\r\n")] == [0, 1, 1, 1, 2, 1]
    assert all(a <= b for a, b in pairwise(sorted(map(str, addresses_in(b"x 192.0.2.1/24 2001:db8::1")))))
    assert ip_address("192.0.2.1") in addresses_in(b"x192.0.2.10")
