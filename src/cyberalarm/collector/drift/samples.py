"""Redacted samples of lines that no pack understands, for the member to see. They are never sent anywhere.

Invariants: nothing but what `redact` gives is kept, in memory as on disk; of each device the newest `EACH` forms, of at most
`MOST_DEVICES` devices, each form at most 2 KiB; a form that comes again is counted, not kept twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from cyberalarm.collector.drift.redact import redact
from cyberalarm.collector.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = "samples.json"
EACH = 5
MOST_DEVICES = 200


class Sample(BaseModel):
    """`form` is the redacted line; `times` how often it was picked (not every line is); times are seconds since 1970."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    form: str
    outcome: str
    first: float
    last: float
    times: int


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore")

    devices: dict[str, list[Sample]] = {}


@dataclass(slots=True)
class Samples:
    """What is kept, by device, oldest first; begins with what a run before has kept."""

    folder: Path
    devices: dict[str, list[Sample]]
    changed: bool = False

    @classmethod
    def open(cls, folder: Path) -> Samples:
        return cls(folder, read(folder))

    def add(self, device: str, line: bytes, outcome: str, now: float) -> None:
        """Keep the form of a line. An empty one has none."""
        form = redact(line).strip()
        if not form:
            return
        kept = self.devices.pop(device, [])
        before = next((sample for sample in kept if sample.form == form and sample.outcome == outcome), None)
        first, times = (before.first, before.times) if before else (now, 0)
        others = [sample for sample in kept if sample is not before]
        newest = Sample(form=form, outcome=outcome, first=first, last=now, times=times + 1)
        self.devices[device] = [*others, newest][-EACH:]
        while len(self.devices) > MOST_DEVICES:
            del self.devices[next(iter(self.devices))]
        self.changed = True

    def save(self) -> None:
        """Raises OSError."""
        write_whole(self.folder / SAMPLES, _Kept(devices=self.devices).model_dump_json().encode())
        self.changed = False


def read(folder: Path) -> dict[str, list[Sample]]:
    """The samples that a collector has kept here, by device, oldest first; none where there is no whole file of them."""
    try:
        return _Kept.model_validate_json((folder / SAMPLES).read_bytes()).devices
    except (OSError, ValidationError):
        return {}
