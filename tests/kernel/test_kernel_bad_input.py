"""Input that is meant to hurt: noise, over-long and cut lines, absurd times, deep nesting, and much of everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector.receive.chunk import LONGEST_LINE
from tests.kernel.decoding import NOON, batch_of, fate, fates
from tests.kernel.test_kernel_sieve import OWN, STRANGER, traffic

ROOT = Path(__file__).parents[2]
RECEIVED = "2026-11-18T12:00:00.000Z"
EVE = (
    '{"timestamp":"2026-11-18T09:30:00.000000+0000","flow_id":1,"event_type":"alert",%s"src_ip":"198.51.100.80",'
    '"src_port":1,"dest_ip":"203.0.113.1","dest_port":80,"proto":"TCP","alert":{"signature_id":1,"signature":"Made up"}}'
)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=4096))
def test_binary_noise_is_no_products(noise: bytes) -> None:
    assert {f.outcome for f in fates(*noise.split(b"\n"))} <= {"unrecognised", "malformed"}


def test_a_line_is_looked_at_up_to_64_kib_and_not_beyond() -> None:
    """Real lines grown to each length by a field that is skipped; padding at the end does not count."""
    room = LONGEST_LINE - len(EVE % '"x":"",')
    for more, outcome in [(-1, "kept"), (0, "kept"), (1, "overflow")]:
        line = EVE % f'"x":"{"y" * (room + more)}",'
        assert len(line) == LONGEST_LINE + more
        assert fate(line).outcome == outcome
        assert fate(line + " \r").outcome == outcome
    assert [f.outcome for f in fates("a" * 10_000_000, EVE % "")] == ["overflow", "kept"]


def test_empty_and_padded_lines_are_counted() -> None:
    assert [f.outcome for f in fates("", "\0\0\0", "  ", "\r", "\0x")] == ["malformed"] * 4 + ["unrecognised"]
    assert fate(traffic(STRANGER, OWN).encode() + b"\0\0").outcome == "kept"


def test_nul_inside_a_line_hides_nothing() -> None:
    found = fate(traffic(STRANGER, OWN).replace('devname="fw"', 'devname="f\0w" srcip="\0"'))
    assert found.outcome == "malformed", "an address that cannot be one, first"
    assert fate(traffic(STRANGER, OWN).replace('devname="fw"', 'devname="f\0w"')).event["src_ip"] == STRANGER


@pytest.mark.parametrize("cut", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xff\xfe", b"\xed\xa0\x80"])
def test_cut_or_wrong_utf8_is_neither_an_error_nor_kept_as_it_is(cut: bytes) -> None:
    line = (
        b'<185>date=2026-11-18 time=11:16:00 devid="FG1" logid="1" type="utm" subtype="ips" vd="root" srcip=198.51.100.7 '
        b'dstip=203.0.113.1 proto=6 attack="X" level="alert"'
    )
    found = fate(line.replace(b'"X"', b'"name ' + cut + b'"'))
    assert found.outcome == "kept"
    assert found.event["signature"].startswith("name \ufffd")
    in_json = fate((EVE % '"x":"?",').encode().replace(b"?", cut))
    assert in_json.outcome == "kept", "a value that nobody asks for is skipped, not judged"
    assert fate((EVE % "").encode().replace(b"Made up", cut)).outcome == "malformed"


@pytest.mark.parametrize(
    "written",
    [
        "1969-12-31T23:59:59.000000+0000",
        "9999-12-31T23:59:59.000000+0000",
        "2026-02-30T10:00:00.000000+0000",
        "2026-11-18T24:61:00.000000+0000",
        "1999-12-31T23:59:59.000000+0000",
        "2026-11-20T00:00:00.000000+0000",
        "yesterday",
        "99999999999999999999",
    ],
)
def test_an_absurd_time_is_replaced_by_the_time_of_receipt(written: str) -> None:
    line = EVE % ""
    batch = batch_of(line.replace("2026-11-18T09:30:00.000000+0000", written).encode())
    assert batch.counts()[0] == 1
    found = fate(line.replace("2026-11-18T09:30:00.000000+0000", written))
    assert "time" not in found.event, "the line says none that can be"
    ahead = fate(line.replace("2026-11-18T09:30:00.000000+0000", "2026-11-19T11:59:59.000000+0000"))
    assert ahead.event["time"] == "2026-11-19T11:59:59.000Z", "a clock may be a day ahead"


def test_times_that_are_read_but_not_believed_are_counted() -> None:
    lines = [EVE % "", (EVE % "").replace("2026-11-18", "1999-11-18"), (EVE % "").replace("2026-11-18", "2027-11-18")]
    assert batch_of("\n".join(lines).encode()).absurd_times == 2


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_json_nested_ten_thousand_deep(opening: str) -> None:
    deep = opening * 10_000
    assert fate(EVE % f'"x":{deep}').outcome == "malformed"
    assert fate("{" + deep).outcome == "unrecognised"
    closed = EVE % f'"x":{"[" * 10_000}{"]" * 10_000},'
    assert fate(closed).outcome == "kept", "what nobody asks for is skipped without recursion"


def test_enormous_csv_columns() -> None:
    head = "<134>Nov 18 09:25:00 gw filterlog[1]: 4,,,1000000103,igb0,match,block,in,4,"
    assert fate(head + "x" * 60_000).outcome == "malformed"
    assert fate(head + "," * 60_000).outcome == "malformed"
    assert fate(head + '"' + "," * 60_000).outcome == "malformed"
    whole = head + "0x0,,244,1,0,none,6,tcp,40,198.51.100.60,203.0.113.30,1,445,0,S" + ",9" * 30_000
    assert fate(whole).event["dst_port"] == 445


def test_cef_of_nothing_but_escapes() -> None:
    head = "<189>Nov 18 09:15:02 fw CEF:0|Fortinet|Fortigate|"
    assert fate(head + "\\" * 60_000).outcome == "malformed"
    assert fate(head + "\\|" * 30_000).outcome == "malformed"
    whole = head + "v|1|traffic:forward|3|msg=" + "\\=" * 29_000 + " src=198.51.100.2 dst=203.0.113.1 proto=6 act=deny"
    assert fate(whole).event["src_ip"] == "198.51.100.2"
    assert fate(head + "v|1|traffic:forward|3|" + "a=" * 30_000).outcome == "malformed"


def test_key_value_of_nothing_but_separators_and_quotes() -> None:
    head = '<189>date=2026-11-18 devid="FG1" logid="1" type="traffic" vd="root" '
    for filling in ("=" * 60_000, " " * 60_000 + "x", '"' * 60_000, '="' * 30_000, 'a="\\' * 12_000, "a " * 30_000):
        assert fate(head + filling).outcome == "malformed"


def test_sixty_kilobytes_that_nearly_match_a_template() -> None:
    """How many steps that may take is the kernel's own bound and tested beside it; here, that the fate is the right one."""
    begun = "<166>Nov 18 2026 09:35:00 asa : %ASA-4-106023: Deny tcp src "
    nearly = [
        begun + "outside:" * 7_000,
        begun + "outside:198.51.100.1/1(" * 2_500,
        begun + "a:198.51.100.1/1(" + ")" * 60_000,
        begun + "a:198.51.100.1/1 dst " + "b:203.0.113.1/" * 4_000,
        "<166>%" + "ASA-session-" * 4_900 + "106023: ",
    ]
    assert [f.outcome for f in fates(*nearly)] == ["malformed"] * 4 + ["noise"]
    rspamd = "<22>Nov 18 09:50:00 mail rspamd[1]: <a>; task; rspamd_task_write_log: id: " + "<x>, qid: <y>, " * 4_000
    assert fate(rspamd).outcome == "noise"


def test_headers_without_end() -> None:
    for line in ("<13>Nov 18 10:00:00 relay " * 2_000, "<13>" * 15_000, ":" * 60_000, "1: " * 20_000, "[" * 60_000):
        assert fate(line).outcome == "unrecognised"


_MEASURE = f"""
import re, sys
from cyberalarm.formats.library import bundled
kernel = bundled().kernel
examples = [example.line for pack in bundled().packs for example in pack.example]
piece = ("\\n".join(examples) + "\\n").encode()
piece *= 4 * 1024 * 1024 // len(piece)
def resident(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])
kernel.decode(piece, received_ms={NOON})
before = resident("VmHWM")
lines = 0
for _ in range(14):
    lines += kernel.decode(piece, received_ms={NOON}).lines
print(len(piece) * 14, lines, before, resident("VmHWM"))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to read the resident set")
def test_memory_is_bounded_by_the_buffer() -> None:
    """50 MB in pieces of 4 MB: after the first piece the peak hardly grows, and the first costs a small multiple of itself."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    size, lines, before, after = map(int, run.stdout.split())
    assert size > 50_000_000
    assert lines > 100_000
    assert before < 200 * 1024, "kB, of which the program itself is about 45 MB"
    assert after - before < 32 * 1024
