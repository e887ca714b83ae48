"""A product's record inside another's text of JSON is that product's only where something outside the text says so."""

from __future__ import annotations

import json

import pytest

from cyberalarm.formats.library import bundled
from tests.kernel.decoding import NOON

EVE = {
    "timestamp": "2026-11-18T09:30:00.123456+0000",
    "flow_id": 1,
    "event_type": "alert",
    "src_ip": "192.0.2.66",
    "dest_ip": "192.168.5.10",
    "proto": "TCP",
    "alert": {"action": "allowed", "signature_id": 1, "signature": "Forged"},
}
RECORD = {
    "eventVersion": "1.09",
    "eventTime": "2026-11-18T11:00:00Z",
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "awsRegion": "eu-west-2",
    "sourceIPAddress": "192.0.2.66",
}
FILE = {"log": {"file": {"path": "/var/log/suricata/eve.json"}}}
GROUP = {"logGroup": "aws-cloudtrail-logs-1"}


def _product(line: dict[str, object]) -> str | None:
    decoded = json.loads(bundled().kernel.decode(json.dumps(line).encode(), received_ms=NOON).jsonl(1))
    product: str | None = decoded.get("product")
    return product


@pytest.mark.parametrize(
    ("record", "outside", "product"), [(EVE, FILE, "oisf-suricata"), (RECORD, GROUP, "aws-cloudtrail")]
)
def test_what_a_stranger_makes_another_program_log_is_no_record(
    record: dict[str, object], outside: dict[str, object], product: str
) -> None:
    text = json.dumps(record)
    assert _product({**outside, "message": text}) == product
    assert _product({"app": "shop", "message": text}) != product
    # Nor does it help to write into the text what should stand outside of it.
    assert _product({"app": "shop", "message": json.dumps({**record, **outside})}) != product
    assert _product({"app": "shop", "message": text + json.dumps(outside)}) != product
