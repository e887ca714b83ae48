"""What each writer writes can be read back by somebody who only knows the product's documentation."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.core.outcome import Outcome
from cyberalarm.lab.scenario import Device, Transport, Vendor, default_scenario
from cyberalarm.lab.traffic import (
    ICMP,
    TCP,
    UDP,
    Alert,
    Connection,
    Infection,
    Mail,
    Observation,
    Signature,
    Way,
)
from cyberalarm.lab.vendors import WRITERS

from . import readers

if TYPE_CHECKING:
    from cyberalarm.lab.generate import PlayLine

AT = 1_773_057_600_123
VENDOR_OF = {d.name: d.vendor for d in default_scenario().devices}
FIREWALLS = (Vendor.FORTIGATE, Vendor.ASA, Vendor.NETFILTER, Vendor.PFSENSE)

ports = st.integers(1, 65535)
v4 = st.ip_addresses(v=4, network="198.18.0.0/15").map(str)
v6 = st.ip_addresses(v=6, network="2001:db8::/32").map(str)
# what may stand in a line: anything but a line's end
text = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=60)


def write(vendor: Vendor, event: object, seed: int = 0, *, modern: bool = False) -> str:
    device = Device("d", vendor, "host", Transport.UDP, "127.0.9.1", modern)
    return WRITERS[vendor](device, Random(seed)).write(AT, event)  # type: ignore[arg-type]


@st.composite
def connections(draw: st.DrawFn, *, six: bool) -> Connection:
    address = v6 if six else v4
    protocol = draw(st.sampled_from((TCP, UDP, ICMP)))
    icmp = protocol == ICMP
    return Connection(
        draw(address),
        draw(address),
        0 if icmp else draw(ports),
        0 if icmp else draw(ports),
        protocol,
        draw(st.sampled_from((Way.INBOUND, Way.INTERNAL))),
        allowed=not icmp and draw(st.booleans()),
        session=draw(st.integers(0, 2**31 - 1)),
        sent=draw(st.integers(28, 1500)),
        received=draw(st.integers(0, 10**6)),
        user=draw(text),
    )


def test_every_vendor_has_a_writer_and_a_reader() -> None:
    assert set(WRITERS) == set(Vendor)
    assert set(readers.READERS) == set(map(str, Vendor))


@pytest.mark.parametrize("vendor", FIREWALLS)
@given(connection=st.one_of(connections(six=False), connections(six=True)), seed=st.integers(0, 1000))
def test_a_connection_reads_back(vendor: Vendor, connection: Connection, seed: int) -> None:
    c = connection
    if c.ipv6 and vendor is Vendor.ASA:
        return
    read = readers.READERS[vendor](write(vendor, c, seed))
    assert read is not None
    assert (read.src, read.dst, read.src_port, read.dst_port) == (c.src, c.dst, c.src_port, c.dst_port)
    assert read.protocol == (58 if c.protocol == ICMP and c.ipv6 else c.protocol)
    assert read.allowed is c.allowed
    assert abs(read.time - AT) < 1000


@pytest.mark.parametrize("vendor", [Vendor.NETFILTER, Vendor.PFSENSE])
@given(size=st.integers(60, 1500), port=ports)
def test_the_size_of_a_refused_packet_reads_back(vendor: Vendor, size: int, port: int) -> None:
    packet = Connection("198.18.0.1", "203.0.113.9", 53, port, UDP, Way.INBOUND, allowed=False, session=1, sent=size)
    read = readers.READERS[vendor](write(vendor, packet))
    assert read is not None
    assert read.size == size


def test_asa_names_who_began_an_outbound_connection() -> None:
    c = Connection(
        "10.80.1.5",
        "198.18.9.220",
        40000,
        443,
        TCP,
        Way.OUTBOUND,
        allowed=True,
        session=5,
        translated="198.51.100.1",
    )
    read = readers.asa(write(Vendor.ASA, c))
    assert read is not None
    assert (read.src, read.src_port, read.dst, read.dst_port) == ("10.80.1.5", 40000, "198.18.9.220", 443)


@given(hostile=text)
def test_fortigate_quotes_whatever_a_user_calls_himself(hostile: str) -> None:
    c = Connection("198.18.0.1", "203.0.113.9", 1, 2, TCP, Way.OUTBOUND, allowed=True, session=1, user=hostile)
    assert readers.fortigate_pairs(write(Vendor.FORTIGATE, c)).get("user", "") == hostile


@pytest.mark.parametrize("modern", [False, True])
@given(hostile=text)
def test_an_alert_reads_back_with_its_cve_numbers(modern: bool, hostile: str) -> None:
    c = Connection("198.18.0.1", "203.0.113.9", 4000, 80, TCP, Way.INBOUND, allowed=True, session=77)
    alert = Alert(c, Signature(7, "name", "class", 1, ("CVE-2021-44228",)), url=hostile, agent=hostile)
    read = readers.suricata(write(Vendor.SURICATA, alert, modern=modern))
    assert read == readers.Read(AT, c.src, c.dst, 4000, 80, 6, name="name", cves=("CVE-2021-44228",))


@pytest.mark.parametrize("modern", [False, True])
@given(path=text)
def test_malware_names_read_back_whatever_the_path_holds(modern: bool, path: str) -> None:
    line = write(Vendor.CLAMAV, Infection("Win.Test.EICAR_HDB-1", f"/srv/{path}", "0" * 64), modern=modern)
    assert readers.clamav(line) == readers.Read(name="Win.Test.EICAR_HDB-1")


@pytest.mark.parametrize(
    ("vendor", "spam"), [(v, s) for v in (Vendor.RSPAMD, Vendor.SPAMASSASSIN) for s in (True, False)]
)
def test_mail_verdicts_read_back(vendor: Vendor, spam: bool) -> None:
    mail = Mail("198.18.4.7", "a@example.net", "b@example.org", "1@example.net", 21.5 if spam else -1.5, spam, 2000)
    read = readers.READERS[vendor](write(vendor, mail))
    assert read is not None
    assert read.name == ("spam" if spam else "clean")


@pytest.mark.parametrize("vendor", Vendor)
def test_a_writer_refuses_what_its_product_never_logs(vendor: Vendor) -> None:
    strange: object = Mail("", "", "", "", 1, False, 1)
    if vendor in (Vendor.RSPAMD, Vendor.SPAMASSASSIN):
        strange = Observation("dns", Connection("a", "b", 1, 2, 6, Way.INBOUND, True, 1), "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="log"):
        write(vendor, strange)


def test_every_generated_line_has_its_products_shape(lines: list[PlayLine]) -> None:
    detections = 0
    for line in lines:
        read = readers.READERS[VENDOR_OF[line.device]](line.line.decode())
        # what must be kept is always about traffic or a detection
        if line.outcome is Outcome.KEPT:
            assert read is not None, line
            detections += 1
    assert detections > 10_000


def test_a_fortigate_traffic_line_is_as_long_as_real_ones(lines: list[PlayLine]) -> None:
    sizes = [len(x.line) for x in lines if b'type="traffic"' in x.line]
    assert 500 < sum(sizes) / len(sizes) < 800
