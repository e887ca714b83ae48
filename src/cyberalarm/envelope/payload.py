"""What is inside an envelope: the ledger of every device, and the events as an Arrow IPC stream.

    magic "CAP1" | u32 length | ledgers (canonical JSON, device id -> counts) | u32 length | Arrow IPC

Numbers are big-endian. `unpack` is total: any bytes give a payload or PayloadMalformed. The ledgers' length is
bounded before they are read, so that reading them costs little whoever wrote them. It does not look into the
Arrow bytes, and does not ask whether a ledger balances: the centre's ingest does both.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from cyberalarm.core.outcome import Ledger
from cyberalarm.envelope import canonical
from cyberalarm.envelope.errors import PayloadMalformed

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC = b"CAP1"
_LENGTH = struct.Struct(">I")
_DEVICE = re.compile(r"[\x21-\x7e]{1,32}", re.ASCII)  # the event field `device` has room for 32 bytes
MAX_DEVICES = 4096
MAX_LEDGERS = 2 * 1024 * 1024  # bytes; as many devices with the longest names and counts take 1.7 MB


def pack(ledgers: Mapping[str, Ledger], arrow_ipc: bytes) -> bytes:
    """Join ledgers and events into one payload. Raises PayloadMalformed when it could not be read again."""
    counts = canonical.encode({device: ledger.to_json() for device, ledger in ledgers.items()})
    payload = b"".join((_MAGIC, _LENGTH.pack(len(counts)), counts, _LENGTH.pack(len(arrow_ipc)), arrow_ipc))
    if len(counts) > MAX_LEDGERS:
        raise PayloadMalformed("The bundle's ledgers are too long.", next_step="Put fewer devices into a bundle.")
    _read_ledgers(counts)
    return payload


def unpack(payload: bytes) -> tuple[dict[str, Ledger], bytes]:
    """Ledgers by device id, and the Arrow IPC stream. Raises PayloadMalformed."""
    if payload[: len(_MAGIC)] != _MAGIC:
        raise PayloadMalformed("The payload does not begin like a bundle.")
    counts, at = _field(payload, len(_MAGIC), MAX_LEDGERS)
    arrow_ipc, at = _field(payload, at, len(payload))
    if at != len(payload):
        raise PayloadMalformed("Something follows the bundle.")
    return _read_ledgers(counts), arrow_ipc


def _field(payload: bytes, at: int, most: int) -> tuple[bytes, int]:
    start = at + _LENGTH.size
    if start > len(payload):
        raise PayloadMalformed("The bundle is cut off.")
    (length,) = _LENGTH.unpack_from(payload, at)
    if length > most or start + length > len(payload):
        raise PayloadMalformed("The bundle is cut off, or a part of it is too long.")
    return payload[start : start + length], start + length


def _read_ledgers(counts: bytes) -> dict[str, Ledger]:
    try:
        value = canonical.object_of(canonical.decode(counts))
        canonical.require(len(value) <= MAX_DEVICES, f"there are more than {MAX_DEVICES} devices")
        return {_device(device): _ledger(ledger) for device, ledger in value.items()}
    except ValueError as error:
        raise PayloadMalformed(f"The bundle's ledgers are wrong: {error}.") from error


def _device(device: str) -> str:
    if not _DEVICE.fullmatch(device):
        raise ValueError("a device id has the wrong form")
    return device


def _ledger(value: canonical.JsonValue) -> Ledger:
    counts = canonical.object_of(value)
    return Ledger.from_json({name: canonical.count_of(count) for name, count in counts.items()})
