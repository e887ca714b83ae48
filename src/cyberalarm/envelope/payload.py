"""What is inside an envelope: the ledger of every device, the alarms that stand and the packs, and the events as Arrow IPC.

    form 1: magic "CAP1" | u32 length | ledgers (canonical JSON, device id -> counts) | u32 length | Arrow IPC
    form 2: magic "CAP2" | u32 length | ledgers | u32 length | notes (canonical JSON) | u32 length | Arrow IPC
    form 3: as form 2; a ledger may have the count `recalled` too

Numbers are big-endian. `read` is total: any bytes give a payload or PayloadMalformed. The lengths of ledgers and notes are
bounded before they are read, so that reading them costs little whoever wrote them. It does not look into the
Arrow bytes, and does not ask whether a ledger balances: the centre's ingest does both.

A collector writes form 2 or 3 only to a centre whose signed status says that it reads it (`Status.bundle_form`), so that no
older centre ever refuses one. A reader of notes passes over keys, kinds and fields that it does not know.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.core.alarm import Alarm
from cyberalarm.core.outcome import Ledger
from cyberalarm.envelope import canonical
from cyberalarm.envelope.errors import PayloadMalformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORM_WITH_ALARMS = 2
FORM_WITH_RECALLED = 3
NEWEST_FORM = FORM_WITH_RECALLED
_MAGIC = b"CAP1"
_MAGIC_2 = b"CAP2"
_LENGTH = struct.Struct(">I")
_DEVICE = re.compile(r"[\x21-\x7e]{1,32}", re.ASCII)  # the event field `device` has room for 32 bytes
MAX_DEVICES = 4096
MAX_LEDGERS = 2 * 1024 * 1024  # bytes; as many devices with the longest names and counts take 1.7 MB


MAX_ALARMS = 512  # a member has a handful of devices; the longest alarms take half of the notes' room
MAX_NOTES = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Payload:
    """What a payload holds. `alarms` are all that stand at the collector; None in form 1, which says nothing of them.

    `release` is the number of the pack release by which all its lines were read, 0 for the packs of the collector's program; None
    where that is not said.
    """

    ledgers: dict[str, Ledger]
    alarms: tuple[Alarm, ...] | None
    arrow_ipc: bytes
    release: int | None = None


def pack(
    ledgers: Mapping[str, Ledger],
    arrow_ipc: bytes,
    alarms: Iterable[Alarm] | None = None,
    release: int | None = None,
) -> bytes:
    """Join ledgers, events and, in form 2, notes into one payload. Raises PayloadMalformed when it could not be read again.

    Without `alarms` it is form 1, which says nothing of the release either.
    """
    counts = canonical.encode({device: ledger.to_json() for device, ledger in ledgers.items()})
    if len(counts) > MAX_LEDGERS:
        raise PayloadMalformed("The bundle's ledgers are too long.", next_step="Put fewer devices into a bundle.")
    _read_ledgers(counts)
    parts = [counts, arrow_ipc]
    if alarms is not None:
        said = {} if release is None else {"release": release}
        notes = canonical.encode({"alarms": [alarm.to_json() for alarm in alarms], **said, "version": 1})
        _read_notes(notes)
        parts.insert(1, notes)
    framed = (piece for part in parts for piece in (_LENGTH.pack(len(part)), part))
    return b"".join((_MAGIC if alarms is None else _MAGIC_2, *framed))


def read(payload: bytes) -> Payload:
    """What a payload of any known form holds. Raises PayloadMalformed."""
    magic = payload[: len(_MAGIC)]
    if magic not in {_MAGIC, _MAGIC_2}:
        raise PayloadMalformed("The payload does not begin like a bundle.")
    counts, at = _field(payload, len(_MAGIC), MAX_LEDGERS)
    notes = None
    if magic == _MAGIC_2:
        notes, at = _field(payload, at, MAX_NOTES)
    arrow_ipc, at = _field(payload, at, len(payload))
    if at != len(payload):
        raise PayloadMalformed("Something follows the bundle.")
    alarms, release = (None, None) if notes is None else _read_notes(notes)
    return Payload(_read_ledgers(counts), alarms, arrow_ipc, release)


def unpack(payload: bytes) -> tuple[dict[str, Ledger], bytes]:
    """Ledgers by device id, and the Arrow IPC stream: `read` without the alarms. Raises PayloadMalformed."""
    whole = read(payload)
    return whole.ledgers, whole.arrow_ipc


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


def _read_notes(notes: bytes) -> tuple[tuple[Alarm, ...], int | None]:
    try:
        value = canonical.object_of(canonical.decode(notes))
        canonical.count_of(value.get("version"), least=1)
        listed = canonical.list_of(value.get("alarms"))
        canonical.require(len(listed) <= MAX_ALARMS, f"there are more than {MAX_ALARMS} alarms")
        release = canonical.count_of(value["release"]) if "release" in value else None
        found = [Alarm.from_json(canonical.object_of(alarm)) for alarm in listed]
    except ValueError as error:
        raise PayloadMalformed(f"The bundle's notes are wrong: {error}.") from error
    return tuple(sorted({alarm for alarm in found if alarm is not None})), release
