"""What is odd about a device's lines, in few numbers and in words. The collector raises alarms, the centre shows them.

An alarm holds no word of any line: a device's id, a product's name, a field's name of the event schema, a time and two shares.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cyberalarm.core.schema import event_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEVICE = re.compile(r"[\x21-\x7e]{1,32}", re.ASCII)
_NAME = re.compile(r"[a-z0-9_-]{0,64}", re.ASCII)
_PRODUCT = re.compile(r"[a-z0-9-]{0,64}", re.ASCII)
_LATEST = 253_402_300_799_000  # the last second of the year 9999, in ms
_WHOLE = 1000


class AlarmKind(StrEnum):
    """What is odd."""

    NOT_RECOGNISED = "not-recognised"  # the share of lines that a pack understands fell
    GENERIC_ONLY = (
        "generic-only"  # the share of lines that a product's own pack understands fell: generic packs read them now
    )
    FIELD_MISSING = "field-missing"  # a field that a product's events always had is gone from most
    SILENT = "silent"  # nothing arrives, for much longer than usual


# The kinds that mean: what the device writes is not what it wrote before.
FORMAT_KINDS = (AlarmKind.NOT_RECOGNISED, AlarmKind.GENERIC_ONLY, AlarmKind.FIELD_MISSING)


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """One thing that stands. `since` is ms UTC; `before` and `now` are shares in parts of a thousand.

    `product` and `field` are empty where the kind has none.
    """

    device: str
    kind: AlarmKind
    product: str
    field: str
    since: int
    before: int
    now: int

    def to_json(self) -> dict[str, str | int]:
        return {
            "device": self.device,
            "kind": self.kind.value,
            "product": self.product,
            "field": self.field,
            "since": self.since,
            "before": self.before,
            "now": self.now,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Alarm | None:
        """Read what `to_json` wrote; None for a kind or a field that only a newer collector knows. Further keys are passed over.

        Raises ValueError on anything else.
        """
        kind, field = _matching(_NAME, value.get("kind")), _matching(_NAME, value.get("field"))
        if kind not in set(AlarmKind) or field not in {"", *(known.name for known in event_schema().fields)}:
            return None
        return cls(
            _matching(_DEVICE, value.get("device")),
            AlarmKind(kind),
            _matching(_PRODUCT, value.get("product")),
            field,
            _count(value.get("since"), _LATEST),
            _count(value.get("before"), _WHOLE),
            _count(value.get("now"), _WHOLE),
        )


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("a name in an alarm has the wrong form")
    return value


def _count(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("a number in an alarm is out of bounds")
    return value


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """An alarm for people: a short name, what was seen, and what to do."""

    title: str
    seen: str
    next_step: str


_CHANGED = (
    "Its format has probably changed, as with new firmware or another log setting. Update the collector and its packs; if that"
    " does not help, tell us the device and its version. On the collector, “cyberalarm collector samples” shows such"
    " lines, redacted."
)


def alarm_words(alarm: Alarm) -> AlarmWords:
    """What members and police read of an alarm, at the collector and on pages. `since` is for the reader's clock to tell."""
    match alarm.kind:
        case AlarmKind.NOT_RECOGNISED:
            seen = f"Of its lines {_share(alarm.now)} are recognised; before it were {_share(alarm.before)}."
            return AlarmWords("Fewer lines are recognised", seen, _CHANGED)
        case AlarmKind.GENERIC_ONLY:
            seen = (
                f"Of its lines {_share(alarm.now)} are understood as its own product's; before it were {_share(alarm.before)}."
                " Others are read by general rules, which see less in them."
            )
            return AlarmWords("Fewer lines are fully understood", seen, _CHANGED)
        case AlarmKind.FIELD_MISSING:
            seen = (
                f"The field {alarm.field} of {alarm.product} stands in {_share(alarm.now)} of its events;"
                f" before it stood in {_share(alarm.before)}."
            )
            return AlarmWords("A field is missing", seen, _CHANGED)
        case AlarmKind.SILENT:
            seen = "It has sent nothing, for much longer than is usual for it."
            return AlarmWords("Silent", seen, "Is the device on, and does it still send its log to the collector?")


def _share(permille: int) -> str:
    return f"{permille / 10:.1f}%"
