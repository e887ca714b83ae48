"""One share that is watched: what is usual for it, and whether it has left that.

Pure: windows of counts and times in, no clock. Invariants:
- Nothing is raised while the share is being learnt.
- While an alarm stands nothing is learnt, so that a change does not become its own excuse; only after `accept_s` is what is
  then the new usual.
- An alarm ends after `calm` windows in a row that are as before, so a share that goes up and down raises one alarm, not many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number that decides. Times in seconds, shares from 0 to 1."""

    # A change lies in one window and fills the next: it is noticed within two windows, eight minutes.
    window_s: float = 240
    least: int = (
        10  # lines or events without which nothing is judged; a quiet device's window stays open until it has them
    )
    learn_windows: int = 5
    learn_lines: int = 200
    memory: int = 2000  # windows, which are six days: how long the usual is remembered
    fall: float = 0.05
    back: float = 0.025
    always: float = 0.99
    gone: float = 0.5
    there_again: float = 0.9
    calm: int = 2
    accept_s: float = 14 * 86_400
    # Silence: of a device that was heard for a day, and three times as long as it was ever silent in the last weeks.
    heard_s: float = 86_400
    silence_s: float = 3_600
    silence_factor: float = 3
    forget_s: float = 30 * 86_400


LIMITS = Limits()
_ROUNDING = 1e-9  # so that exactly five points are five points


@dataclass(slots=True)
class Rate:
    """`mean` and `spread` (mean deviation) are the usual; `since` is when the alarm's first window began, 0 while there is none."""

    mean: float = 0.0
    spread: float = 0.0
    windows: int = 0
    lines: int = 0
    since: float = 0.0
    now: float = 0.0
    calm: int = 0

    @property
    def stands(self) -> bool:
        return self.since > 0

    def learnt(self, limits: Limits) -> bool:
        return self.windows >= limits.learn_windows and self.lines >= limits.learn_lines

    def learn(self, hits: int, lines: int, limits: Limits) -> None:
        """Add an ordinary window to the usual."""
        share = hits / lines
        self.windows += 1
        self.lines = min(self.lines + lines, 10**9)
        weight = 1 / min(self.windows, limits.memory)
        # How far it lies from the mean before it was added; the first window lies nowhere.
        if self.windows > 1:
            self.spread += (abs(share - self.mean) - self.spread) * weight
        self.mean += (share - self.mean) * weight


def judge_share(rate: Rate, hits: int, lines: int, began: float, ended: float, limits: Limits) -> None:
    """Judge a window of a share that should not fall by five points, nor by more than what is usual and what chance gives."""
    noise = max(limits.fall, min(3 * rate.spread, 0.5))
    chance = 3 * math.sqrt(lines * rate.mean * (1 - rate.mean)) + 2
    fallen = hits <= (rate.mean - noise + _ROUNDING) * lines and rate.mean * lines - hits >= min(chance, lines / 2)
    _judge(rate, hits, lines, (began, ended), limits, fallen=fallen, back=hits >= (rate.mean - limits.back) * lines)


def judge_presence(rate: Rate, hits: int, lines: int, began: float, ended: float, limits: Limits) -> None:
    """Judge a window of a field that was always there and should not be missing from most events."""
    fallen = rate.mean >= limits.always and hits <= limits.gone * lines
    _judge(rate, hits, lines, (began, ended), limits, fallen=fallen, back=hits >= limits.there_again * lines)


def _judge(
    rate: Rate, hits: int, lines: int, times: tuple[float, float], limits: Limits, *, fallen: bool, back: bool
) -> None:
    began, ended = times
    if rate.stands:
        rate.now = hits / lines
        rate.calm = rate.calm + 1 if back else 0
        if rate.calm >= limits.calm:
            rate.since, rate.calm = 0.0, 0
        elif ended - rate.since > limits.accept_s:
            rate.mean = rate.spread = rate.since = 0.0
            rate.windows = rate.lines = rate.calm = 0
            rate.learn(hits, lines, limits)
    elif fallen and rate.learnt(limits):
        rate.since, rate.now, rate.calm = max(began, 1.0), hits / lines, 0
    else:
        rate.learn(hits, lines, limits)
