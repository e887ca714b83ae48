"""Watches all devices of a running collector: counts every line, looks into a few, and says which alarms stand.

Invariants
- The cost does not grow with the lines: each chunk costs a few additions; at most ten times a second 16 lines are looked into,
  of one device at most once a second, and as often one line is redacted.
- Memory is bounded: `MOST_DEVICES` devices. When there are more, one that is not known well makes room, never one that is.
- What was learnt survives a restart (`drift.json`); an unreadable file means learning anew, not a collector that does not start.

It sends nothing and changes no ledger. One thread uses it.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import structlog
from pydantic import TypeAdapter, ValidationError

from cyberalarm.collector.drift import rate
from cyberalarm.collector.drift.device import Device
from cyberalarm.collector.drift.samples import Samples
from cyberalarm.collector.files import write_whole
from cyberalarm.core.alarm import AlarmKind
from cyberalarm.core.outcome import OUTCOMES, Outcome
from cyberalarm.envelope.payload import MAX_ALARMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cyberalarm._kernel import Batch
    from cyberalarm.collector.drift.rate import Limits
    from cyberalarm.core.alarm import Alarm

Tally: TypeAlias = "tuple[Sequence[int], Iterable[tuple[str, int]]]"

log = structlog.get_logger(__name__)

STATE = "drift.json"
MOST_DEVICES = 300
GENERIC = "generic-"  # how the names of packs begin that read a syntax whose product nobody knows
_LOOKED_INTO = 16  # lines of one look
_LOOK_S = 0.1
_SAME_DEVICE_S = 1.0
_TICK_S = 1.0
_SAVE_S = 60.0
_SAVE_SAMPLES_S = 10.0  # somebody may be looking for the reason why lines are not recognised
_ASLEEP_S = 3600.0  # between two ticks: the clock was set, or the machine slept, and no device was silent
_UNRECOGNISED = OUTCOMES.index(Outcome.UNRECOGNISED)
_MALFORMED = OUTCOMES.index(Outcome.MALFORMED)


@dataclass(slots=True)
class _Learnt:
    """The file `drift.json`."""

    version: int = 1
    devices: dict[str, Device] = field(default_factory=dict)


_FILE = TypeAdapter(_Learnt)


@dataclass(slots=True)
class _Heard:
    """Lines of a device since the last tick, those of them that no pack understands, and those that only a generic one does."""

    lines: int = 0
    strange: int = 0
    generic: int = 0


@dataclass(slots=True)
class _Pace:
    """No more often than so many seconds, over all (`open_at` is the next time) and for one device."""

    open_at: float = 0.0
    devices: dict[str, float] = field(default_factory=dict)

    def may(self, device: str, now: float) -> bool:
        if now < self.open_at or now < self.devices.get(device, 0.0):
            return False
        if len(self.devices) > MOST_DEVICES:
            self.devices.clear()
        self.open_at, self.devices[device] = now + _LOOK_S, now + _SAME_DEVICE_S
        return True


class Watch:
    """`alarms` are those that stand, `news` says that they are not those of which `told` was last called."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time, limits: Limits | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._limits = limits or rate.LIMITS
        self.samples = Samples.open(folder)
        self._devices = _learnt(folder)
        for device in self._devices.values():
            device.resume(clock())
        self._heard: dict[str, _Heard] = {}
        self._events, self._lines = _Pace(), _Pace()
        self._tick_at = 0.0
        self._save_at = clock() + _SAVE_S
        self._save_samples_at = 0.0
        self._unwritten = False
        self.alarms: tuple[Alarm, ...] = self._standing()
        self._told: set[tuple[str, ...]] = set()

    def saw(self, name: str, lines: bytes, batch: Batch, tally: Tally, decode: Callable[[bytes], Batch]) -> None:
        """A chunk of a device has been decoded; called for each chunk, so it does little.

        `tally` are the batch's counts and products. `decode` decodes a piece of the chunk again, for a look into single events.
        """
        now = self._clock()
        counts, products = tally
        strange = counts[_UNRECOGNISED] + counts[_MALFORMED]
        heard = self._heard.get(name)
        if heard is None:
            heard = self._heard[name] = _Heard()
        heard.lines += batch.lines
        heard.strange += strange
        for product, count in products:
            if product.startswith(GENERIC):
                heard.generic += count
        if now >= self._events.open_at and self._events.may(name, now):
            known = self._devices.get(name)
            if known is not None:
                self._look(name, known, _some(lines), decode, now)
        if strange and self._lines.may(name, now):
            self._keep_samples(name, lines, batch.outcomes, now)

    def _look(self, name: str, known: Device, lines: bytes, decode: Callable[[bytes], Batch], now: float) -> None:
        """Look into the events of a few lines; keep one that lacks what is said to be missing, redacted."""
        lacking = 0
        for number, product, event in _events(decode(lines)):
            known.hear_event(product, event, now)
            if known.lacks(product, event):
                lacking = number
        if lacking:
            self.samples.add(name, lines.split(b"\n", lacking)[lacking - 1], AlarmKind.FIELD_MISSING.value, now)

    def _device(self, name: str, now: float) -> Device | None:
        known = self._devices.get(name)
        if known is None:
            if len(self._devices) >= MOST_DEVICES and not self._make_room():
                return None
            known = self._devices[name] = Device.new(now)
        return known

    def _make_room(self) -> bool:
        """Forget the device that is silent longest of those that are not known well. Addresses are easily forged."""
        strangers = [name for name, device in self._devices.items() if not device.share.learnt(self._limits)]
        if not strangers:
            return False
        del self._devices[min(strangers, key=lambda name: self._devices[name].last)]
        return True

    def _keep_samples(self, name: str, lines: bytes, outcomes: bytes, now: float) -> None:
        for code in (_UNRECOGNISED, _MALFORMED):
            at = outcomes.rfind(code)
            if at >= 0:
                after = len(outcomes) - at
                line = lines.removesuffix(b"\n").rsplit(b"\n", after)[-after]
                self.samples.add(name, line, OUTCOMES[code].value, now)

    def first_heard(self, name: str) -> float:
        """When the device was first heard, in seconds since 1970; 0 where that is not known."""
        device = self._devices.get(name)
        return device.first if device else 0.0

    def tick(self) -> None:
        """Time passes: judge windows that are over, notice silence, write down what was learnt. Call it often."""
        now = self._clock()
        if 0 <= now - self._tick_at < _TICK_S:
            return
        if now - self._tick_at > _ASLEEP_S or now < self._tick_at:
            self._events, self._lines = _Pace(), _Pace()
            for device in self._devices.values():
                device.resume(now)
        self._tick_at = now
        for name, heard in self._heard.items():
            known = self._device(name, now)
            if known is not None and heard.lines:
                understood = heard.lines - heard.strange
                known.hear(max(understood - heard.generic, 0), understood, heard.lines, now, self._limits)
        self._heard.clear()
        for name, device in list(self._devices.items()):
            device.listen(now, self._limits)
            if device.silent and now - device.silent > self._limits.forget_s:
                del self._devices[name]
        before, self.alarms = self.alarms, self._standing()
        if _names(before) != _names(self.alarms):
            log.warning(
                "drift.alarms", standing=len(self.alarms), kinds=sorted({alarm.kind.value for alarm in self.alarms})
            )
            self.save()
        elif now >= self._save_at:
            self.save()
        elif self.samples.changed and now >= self._save_samples_at:
            self._save_samples_at = now + _SAVE_SAMPLES_S
            self._save_samples()

    def _standing(self) -> tuple[Alarm, ...]:
        found = [alarm for name, device in self._devices.items() for alarm in device.alarms(name)]
        return tuple(sorted(found, key=lambda alarm: (alarm.since, alarm))[:MAX_ALARMS])

    @property
    def news(self) -> bool:
        return _names(self.alarms) != self._told

    def told(self) -> tuple[Alarm, ...]:
        """The alarms that stand, which go into a bundle now."""
        self._told = _names(self.alarms)
        return self.alarms

    def save(self) -> None:
        """Write down what was learnt, and the samples; a full disk does not stop the collector."""
        self._save_at = self._clock() + _SAVE_S
        if self._written(lambda: write_whole(self._folder / STATE, _FILE.dump_json(_Learnt(devices=self._devices)))):
            self._save_samples()

    def _save_samples(self) -> None:
        if self.samples.changed:
            self._written(self.samples.save)

    def _written(self, write: Callable[[], None]) -> bool:
        """Write a file; that it cannot be written is said once."""
        try:
            write()
        except OSError as error:
            if not self._unwritten:
                log.warning("drift.unwritten", reason=error.strerror)
            self._unwritten = True
            return False
        self._unwritten = False
        return True


def _learnt(folder: Path) -> dict[str, Device]:
    try:
        return _FILE.validate_json((folder / STATE).read_bytes()).devices
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        log.warning("drift.unreadable")
        return {}


def _names(alarms: Sequence[Alarm]) -> set[tuple[str, ...]]:
    """What tells alarms apart; their shares change all the time."""
    return {(alarm.device, alarm.kind, alarm.product, alarm.field, str(alarm.since)) for alarm in alarms}


def _some(lines: bytes) -> bytes:
    """A few whole lines from anywhere in a chunk."""
    start = lines.rfind(b"\n", 0, random.randrange(len(lines)) + 1) + 1 if lines else 0  # noqa: S311 - no secret
    end = start
    for _ in range(_LOOKED_INTO):
        found = lines.find(b"\n", end)
        if found < 0:
            return lines[start:]
        end = found + 1
    return lines[start:end]


def _events(batch: Batch) -> Iterator[tuple[int, str, Mapping[str, object]]]:
    """Number of the line, product and fields of each event."""
    for line in batch.jsonl(1).splitlines():
        row = json.loads(line)
        if "event" in row:
            yield row["line"], row["product"], row["event"]
