"""A week of a scenario as lines in time order, and as a folder.

Invariants: the same scenario, seed, end, length and scale give the same bytes; times never go back; no line
holds a newline; every line is of exactly one device and has exactly one expected outcome.

A folder holds `<device>.log` (lines as sent, one a line), `timeline.tsv` (a row per line in order of time: ms
UTC, device, expected outcome, episode or nothing), `truth.json` and `countries.csv`.
"""

from __future__ import annotations

import heapq
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.outcome import Outcome
from cyberalarm.lab import clock, countries, truth
from cyberalarm.lab.background import background
from cyberalarm.lab.episodes import Episode, Window
from cyberalarm.lab.errors import LabFolderError
from cyberalarm.lab.population import Population, populate
from cyberalarm.lab.script import script
from cyberalarm.lab.vendors import writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from cyberalarm.lab.scenario import Scenario

TIMELINE = "timeline.tsv"
TRUTH = "truth.json"
# The longest episode of fixed length takes two and a half hours from the middle of the run.
DAYS = (0.25, 366)
SCALES = (0.0, 1000.0)
# How many lines pass between two reports of progress.
PROGRESS_STEP = 2_000


@dataclass(frozen=True, slots=True)
class PlayLine:
    """One line to send: when (ms UTC), by which device, its bytes, its episode if scripted, its expected
    outcome.
    """

    time: int
    device: str
    line: bytes
    scripted: str | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before the first line is written."""

    scenario: Scenario
    seed: str
    window: Window
    scale: float
    population: Population
    episodes: tuple[Episode, ...]

    def lines(self) -> Iterator[PlayLine]:
        """All lines in time order. May be asked for again and gives the same lines."""
        writers = {d.name: writer(d, self.seed) for d in self.scenario.devices}
        ordinary = background(self.scenario, self.population, self.seed, self.window.start, self.window.end, self.scale)
        scripted = (sorted(e.flows, key=lambda f: f.time) for e in self.episodes)
        for flow in heapq.merge(ordinary, *scripted, key=lambda f: f.time):
            text = writers[flow.device].write(flow.time, flow.event)
            yield PlayLine(flow.time, flow.device, text.encode(), flow.scripted, flow.outcome)


def plan(scenario: Scenario, seed: str, until: datetime, days: float = 7, scale: float = 1.0) -> Plan:
    """Decide sources and episodes of a run that ends at `until` (truncated to the minute).

    Raises ConfigurationError for a length or scale that cannot hold the script.
    """
    if not DAYS[0] <= days <= DAYS[1]:
        raise ConfigurationError(
            f"A run of {days} days is not possible.",
            next_step=f"Choose between {DAYS[0]} and {DAYS[1]} days.",
        )
    if not SCALES[0] <= scale <= SCALES[1]:
        raise ConfigurationError(
            f"A scale of {scale} is not possible.", next_step=f"Choose between {SCALES[0]} and {SCALES[1]}."
        )
    end = clock.milliseconds(until) // clock.MILLISECONDS_A_MINUTE * clock.MILLISECONDS_A_MINUTE
    window = Window(end - int(days * clock.MILLISECONDS_A_DAY), end)
    return Plan(scenario, seed, window, scale, populate(scenario, seed, scale), script(scenario, seed, window))


def generate(scenario: Scenario, seed: str, until: datetime, days: float = 7, scale: float = 1.0) -> Iterator[PlayLine]:
    """All lines of a run in time order. Scale 1 is about 150,000 lines a week for the default scenario."""
    return plan(scenario, seed, until, days, scale).lines()


def write(
    folder: Path,
    scenario: Scenario,
    seed: str,
    until: datetime,
    days: float = 7,
    scale: float = 1.0,
    on_progress: Callable[[int], None] | None = None,
) -> truth.Truth:
    """Write a run into a folder and give its truth. Files of an earlier run there are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    decided = plan(scenario, seed, until, days, scale)
    tally = truth.Tally(decided)
    with ExitStack() as stack:
        logs = {d.name: stack.enter_context((folder / f"{d.name}.log").open("wb")) for d in scenario.devices}
        timeline = stack.enter_context((folder / TIMELINE).open("w", encoding="ascii", newline="\n"))
        for number, line in enumerate(decided.lines(), 1):
            logs[line.device].write(line.line + b"\n")
            timeline.write(f"{line.time}\t{line.device}\t{line.outcome}\t{line.scripted or ''}\n")
            tally.add(line)
            if on_progress and number % PROGRESS_STEP == 0:
                on_progress(number)
    found = tally.truth()
    (folder / "countries.csv").write_text(countries.table(), "utf-8")
    (folder / TRUTH).write_text(found.to_json(), "utf-8")
    return found


def read(folder: Path) -> Iterator[PlayLine]:
    """The lines of a folder that `write` made, in time order.

    Raises LabFolderError where files do not fit together.
    """
    known = truth.load(folder / TRUTH)
    with ExitStack() as stack:
        try:
            logs = {
                d.name: stack.enter_context((folder / f"{d.name}.log").open("rb"))
                for m in known.members
                for d in m.devices
            }
            timeline = stack.enter_context((folder / TIMELINE).open(encoding="ascii"))
        except OSError as error:
            raise LabFolderError(
                f"{error.filename}: cannot be read.", next_step="Generate the folder again."
            ) from error
        for row in timeline:
            time, device, outcome, scripted = row.rstrip("\n").split("\t")
            line = logs[device].readline()
            if not line.endswith(b"\n"):
                raise LabFolderError(f"{folder / device}.log: ends early.", next_step="Generate the folder again.")
            yield PlayLine(int(time), device, line[:-1], scripted or None, Outcome(outcome))
