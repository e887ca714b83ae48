"""Bar charts as inline SVG. Sizes are attributes and colours are classes, so the strict content policy holds.

Pure: values in, geometry out. The template draws it, and shows the same figures as a table beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, HEIGHT = 960, 240
_LEFT, _RIGHT, _BOTTOM, _TOP = 70, 16, 28, 12


# Tenths of a power of ten.
_FINE = 10
_ROUND = (10, 12, 14, 16, 18, 20, 24, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of two parts: `total` is its height, `part` the marked share of it at the bottom."""

    label: str
    total: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    x: float
    width: float
    y: float
    height: float
    part_y: float
    part_height: float
    label: str
    label_shown: bool
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Geometry of a chart. `marks` are (y, value) of the horizontal lines."""

    bars: tuple[Drawn, ...]
    marks: tuple[tuple[float, int], ...]
    base: float
    left: int = _LEFT
    width: int = WIDTH
    height: int = HEIGHT


def nice_ceiling(value: int) -> int:
    """The smallest even round number that is not below the value: its half is a whole number too."""
    step = 1
    while True:
        for factor in _ROUND if step >= _FINE else (2, 4, 6, 8, 10):
            top = factor * step // (_FINE if step >= _FINE else 1)
            if top >= value:
                return top
        step *= 10


def bar_chart(bars: list[Bar]) -> Chart:
    """Lay out bars from left to right, with at most twelve labels."""
    top = nice_ceiling(max((bar.total for bar in bars), default=1))
    room = HEIGHT - _TOP - _BOTTOM
    base = float(_TOP + room)
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    every = -(-len(bars) // 12) or 1
    drawn = []
    for at, bar in enumerate(bars):
        high, part = bar.total / top * room, bar.part / top * room
        drawn.append(
            Drawn(
                x=round(_LEFT + at * slot + slot * 0.12, 1),
                width=round(slot * 0.76, 1),
                y=round(base - high, 1),
                height=round(high - part, 1),
                part_y=round(base - part, 1),
                part_height=round(part, 1),
                label=bar.label,
                label_shown=at % every == 0,
                title=f"{bar.label}: {bar.total:,}",
            )
        )
    marks = tuple((round(base - value / top * room, 1), value) for value in (0, top // 2, top))
    return Chart(tuple(drawn), marks, base)
