"""The truth of a run: what was scripted, and what a correct collector makes of every device's lines.

Counted from the lines as they are written, never from what was planned. `truth.json` is this value; `load`
reads it back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from cyberalarm.core.outcome import OUTCOMES
from cyberalarm.lab.errors import LabFolderError
from cyberalarm.lab.hostile import DECOYS
from cyberalarm.lab.scenario import Device, Transport, Vendor

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.lab.generate import Plan, PlayLine

VERSION = 1


@dataclass(frozen=True, slots=True)
class DeviceTruth:
    """A device and how many of its lines belong to each outcome. `scripted` counts lines of episodes."""

    name: str
    vendor: str
    host: str
    transport: str
    bind: str
    lines: int
    bytes: int
    scripted: int
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class MemberTruth:
    key: str
    name: str
    kind: str
    force: str
    internal: tuple[str, ...]
    public: tuple[str, ...]
    trusted: tuple[str, ...]
    devices: tuple[DeviceTruth, ...]


@dataclass(frozen=True, slots=True)
class EpisodeTruth:
    """A scripted event. `start` and `end` are its first and last line (ms UTC), `lines` counts by device.

    `findings` are the rules that must fire, at the least. `kept` counts the lines that
    leave the site.
    """

    id: str
    kind: str
    findings: tuple[str, ...]
    member: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    ports: tuple[int, ...]
    allowed: bool
    spoofable: bool
    cves: tuple[str, ...]
    malware: tuple[str, ...]
    start: int
    end: int
    kept: int
    lines: dict[str, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """`decoys` are addresses that stand only inside hostile text; `everywhere` are noise sources that reach
    all members.
    """

    version: int
    seed: str
    start: int
    end: int
    scale: float
    lines: int
    members: tuple[MemberTruth, ...]
    episodes: tuple[EpisodeTruth, ...]
    decoys: tuple[str, ...]
    everywhere: tuple[str, ...]

    def episode(self, name: str) -> EpisodeTruth:
        return next(e for e in self.episodes if e.id == name)

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, as much as playing needs."""
        return tuple(
            Device(d.name, Vendor(d.vendor), d.host, Transport(d.transport), d.bind)
            for m in self.members
            for d in m.devices
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


@dataclass(slots=True)
class _Count:
    lines: int = 0
    bytes: int = 0
    scripted: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, OUTCOMES), 0))


@dataclass(slots=True)
class _Episode:
    start: int = 0
    end: int = 0
    kept: int = 0
    lines: dict[str, int] = field(default_factory=dict)


class Tally:
    """Counts lines as they pass; `truth()` at the end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._devices = {d.name: _Count() for d in plan.scenario.devices}
        self._episodes = {e.id: _Episode() for e in plan.episodes}

    def add(self, line: PlayLine) -> None:
        count = self._devices[line.device]
        count.lines += 1
        count.bytes += len(line.line)
        count.outcomes[line.outcome] += 1
        if line.scripted is None:
            return
        count.scripted += 1
        episode = self._episodes[line.scripted]
        episode.start = episode.start or line.time
        episode.end = line.time
        episode.kept += line.outcome == "kept"
        episode.lines[line.device] = episode.lines.get(line.device, 0) + 1

    def truth(self) -> Truth:
        plan = self._plan
        return Truth(
            version=VERSION,
            seed=plan.seed,
            start=plan.window.start,
            end=plan.window.end,
            scale=plan.scale,
            lines=sum(c.lines for c in self._devices.values()),
            members=self._members(),
            episodes=self._scripted(),
            decoys=DECOYS,
            everywhere=plan.population.everywhere,
        )

    def _members(self) -> tuple[MemberTruth, ...]:
        found = []
        for m in self._plan.scenario.members:
            devices = []
            for d in m.devices:
                c = self._devices[d.name]
                devices.append(
                    DeviceTruth(
                        d.name,
                        d.vendor,
                        d.host,
                        d.transport,
                        d.bind,
                        c.lines,
                        c.bytes,
                        c.scripted,
                        c.outcomes,
                    )
                )
            trusted = self._plan.scenario.trusted
            found.append(MemberTruth(m.key, m.name, m.kind, m.force, m.internal, m.public, trusted, tuple(devices)))
        return tuple(found)

    def _scripted(self) -> tuple[EpisodeTruth, ...]:
        found = []
        for e in self._plan.episodes:
            c = self._episodes[e.id]
            found.append(
                EpisodeTruth(
                    e.id,
                    e.kind,
                    e.findings,
                    e.member,
                    e.sources,
                    e.targets,
                    e.ports,
                    e.allowed,
                    e.spoofable,
                    e.cves,
                    e.malware,
                    c.start,
                    c.end,
                    c.kept,
                    c.lines,
                )
            )
        return tuple(found)


def load(path: Path) -> Truth:
    """Read a `truth.json`. Raises LabFolderError where it is missing or not one."""
    try:
        text = path.read_text("utf-8")
        truth = TypeAdapter(Truth).validate_json(text)
    except (OSError, ValidationError) as error:
        raise LabFolderError(
            f"{path}: not a truth file of the lab.",
            next_step="Make the folder with `cyberalarm lab generate`.",
        ) from error
    if truth.version != VERSION:
        raise LabFolderError(f"{path}: version {truth.version} is not known.", next_step="Generate the folder again.")
    return truth
