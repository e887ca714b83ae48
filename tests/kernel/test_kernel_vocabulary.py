"""The kernel and the core say the same: outcomes, private networks, codes, protocols, the longest line."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

import pyarrow as pa
import pytest

from cyberalarm.collector.receive.chunk import LONGEST_LINE
from cyberalarm.core.addresses import PRIVATE_NETWORKS
from cyberalarm.core.outcome import OUTCOMES
from cyberalarm.core.ports import PROTOCOLS
from cyberalarm.core.schema import FieldType, event_schema
from cyberalarm.formats import loader
from cyberalarm.formats.pack import Pack
from tests.kernel.decoding import NOON, batch_of, fate, fates
from tests.kernel.test_kernel_sieve import OWN, STRANGER, alert, sieve, traffic


@pytest.mark.parametrize("network", PRIVATE_NETWORKS)
def test_private_networks_end_where_the_cores_do(network: str) -> None:
    net = ip_network(network)
    public = "198.51.100.1" if net.version == 4 else "2001:db8::1"
    edges = [net.network_address, net.broadcast_address]
    beyond = [edges[0] - 1 if int(edges[0]) else edges[0], edges[1] + 1]
    # Loopback's neighbour :: stands for no address, and 2001:db8:: is nobody's neighbour.
    beyond = [a for a in beyond if int(a) and not any(a in ip_network(n) for n in PRIVATE_NETWORKS)]
    for address, direction in [*((a, "outbound") for a in edges), *((a, None) for a in beyond)]:
        assert fate(traffic(str(address), public)).event.get("direction") == direction, address


def test_private_networks_are_exactly_the_cores() -> None:
    """First octets and first sixteen bits, all of them: the kernel's answer against the core's list."""
    networks = [ip_network(n) for n in PRIVATE_NETWORKS]
    v4 = [
        ip_address(f"{a}.{b}.1.1")
        for a in (*range(1, 224), 240)
        for b in (0, 15, 16, 31, 32, 63, 64, 127, 128, 168, 254)
    ]
    v6 = [
        IPv6Address((first << 120) | (second << 112) | 1)
        for first in range(0xFF)
        for second in (0, 0x7F, 0x80, 0xBF, 0xC0)
    ]
    lines = [traffic(str(a), "198.51.100.1" if a.version == 4 else "2001:db8::1") for a in (*v4, *v6)]
    for address, found in zip((*v4, *v6), fates(*lines), strict=True):
        private = any(address in network for network in networks if network.version == address.version)
        assert (found.event.get("direction") == "outbound") == private, address


def test_outcome_codes_are_positions_in_the_core() -> None:
    private = traffic("10.0.0.1", "10.0.0.2")
    lines = {
        "kept": traffic(STRANGER, OWN, 22, "deny"),
        "routine": traffic("198.18.1.1", OWN),
        "internal": private,
        "outbound": traffic("10.0.0.1", "198.18.1.1"),
        "trusted": traffic("198.51.100.200", OWN),
        "noise": '<190>date=2026-11-18 time=11:18:00 devid="FGT1" logid="1" type="event" subtype="system" vd="root" x="y"',
        "unrecognised": "who knows",
        "malformed": private[:-90],
        "overflow": "x" * (LONGEST_LINE + 1),
    }
    assert list(lines) == [str(o) for o in OUTCOMES]
    batch = batch_of("\n".join(lines.values()).encode())
    sieve().apply(batch)
    assert list(batch.outcomes) == list(range(len(OUTCOMES)))
    assert batch.counts() == [1] * len(OUTCOMES)


def _pack(**fields: object) -> Pack:
    line = {
        "name": "made up",
        "syntax": "kv",
        "begins": ["made-up "],
        "kind": [{"name": "all", "require": [], "fields": fields}],
    }
    return Pack.model_validate(
        {
            "name": "example-made-up",
            "vendor": "Example",
            "product": "Made up",
            "version": 1,
            "sensor": "ids",
            "summary": "Made up.",
            "transports": ["udp"],
            "setup": "None.",
            "line": [line],
            "example": [{"line": "made-up x", "outcome": "kept"}],
        }
    )


@pytest.mark.parametrize("name", ["action", "direction", "evidence", "category"])
def test_enum_codes_are_positions_in_the_schema(name: str) -> None:
    values = event_schema().field(name).values
    kernel = loader.build((_pack(**{name: name}),)).kernel
    buffer = "".join(f"made-up {name}={value} x\n" for value in (*values, "nonsense"))
    table = pa.ipc.open_stream(kernel.decode(buffer.encode(), received_ms=NOON).to_ipc("d")).read_all()
    assert table[name].to_pylist() == [*range(len(values)), 0]


def test_sensor_codes_are_positions_in_the_schema() -> None:
    for code, sensor in enumerate(event_schema().field("sensor").values):
        pack = _pack().model_copy(update={"sensor": sensor})
        kernel = loader.build((pack,)).kernel
        table = pa.ipc.open_stream(kernel.decode(b"made-up x\n", received_ms=NOON).to_ipc("d")).read_all()
        assert table["sensor"].to_pylist() == [code]


def test_every_enum_of_the_schema_is_tested_here() -> None:
    enums = {f.name for f in event_schema().fields if f.type is FieldType.ENUM}
    assert enums == {"sensor", "action", "direction", "evidence", "category"}


def test_texts_are_cut_where_the_schema_says() -> None:
    limits = {n: event_schema().field(n).max_bytes for n in ("signature_id", "signature", "threat")}
    kernel = loader.build((_pack(**dict.fromkeys(limits, "t")),)).kernel
    table = pa.ipc.open_stream(
        kernel.decode(("made-up t=" + "é" * 500 + " ").encode(), received_ms=NOON).to_ipc("d")
    ).read_all()
    for name, most in limits.items():
        text = table[name][0].as_py()
        assert len(text.encode()) == most // 2 * 2
        assert set(text) == {"é"}
    cves = " ".join(f"CVE-2024-{n:04}" for n in range(40))
    line = alert(STRANGER, OWN).replace('attack="Made.Up"', f'attack="{cves}"')
    assert len(fate(line).event["cve"]) == event_schema().field("cve").max_items


@pytest.mark.parametrize("number", range(256))
def test_protocol_names_agree_with_the_core(number: int) -> None:
    said = fate(traffic(STRANGER, OWN).replace("proto=6", f"proto={number}")).event.get("protocol")
    if number in PROTOCOLS:
        assert str(said).replace("ipv6-icmp", "icmpv6") == PROTOCOLS[number].lower()
    elif number == 255:
        assert said is None
    else:
        assert said == number


def test_the_longest_line_is_the_collectors() -> None:
    assert [f.outcome for f in fates("x" * LONGEST_LINE, "x" * (LONGEST_LINE + 1))] == ["unrecognised", "overflow"]
