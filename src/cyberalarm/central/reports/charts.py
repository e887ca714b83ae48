"""Charts as SVG text. The only user of vl_convert.

Nothing is fetched: the data is inside each specification, and no address may be loaded. The colours keep
their order in greyscale and are told apart with every common form of colour blindness (after Okabe and Ito,
"Color Universal Design", 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import vl_convert

if TYPE_CHECKING:
    from collections.abc import Sequence

# Oldest schema that has all we use; pinned so that a newer engine draws the same picture.
VEGA_LITE = "5.20"

BLOCKED = "#2f6690"
DETECTED = "#e0b252"
ALLOWED = "#b5412b"
UNKNOWN = "#b9bfc6"
INK = "#22313f"
GRID = "#e3e7eb"

_FONT = "Libertinus Serif, Liberation Sans, Arial, sans-serif"
_COUNT_LABEL = (
    "datum.value >= 1e9 ? format(datum.value / 1e9, ',.3~f') + ' bn' : "
    "datum.value >= 1e6 ? format(datum.value / 1e6, ',.3~f') + ' m' : format(datum.value, ',d')"
)

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured part of a bar."""

    label: str
    value: int
    colour: str


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    parts: tuple[Part, ...]


def columns(bars: Sequence[Bar], *, width: int = 690, height: int = 170) -> str:
    """Draw upright stacked bars in the order given, such as days. `width` is that of the whole picture."""
    every = max(1, -(-len(bars) // 14))
    x: dict[str, Json] = {
        "field": "label",
        "type": "ordinal",
        "sort": None,
        "axis": {
            "title": None,
            "labelAngle": 0,
            "labelPadding": 6,
            "values": [b.label for b in bars[::every]],
            "ticks": False,
        },
    }
    return _draw(bars, {"x": x, "y": {**_counts(), "axis": _count_axis()}}, width, height)


def rows(bars: Sequence[Bar], *, width: int = 690, step: int = 23, label_width: int = 190) -> str:
    """Draw lying stacked bars in the order given, such as ports. `width` is that of the whole picture."""
    y: dict[str, Json] = {
        "field": "label",
        "type": "ordinal",
        "sort": None,
        "axis": {
            "title": None,
            "labelLimit": label_width,
            "labelPadding": 8,
            "ticks": False,
            "domain": False,
        },
    }
    return _draw(bars, {"y": y, "x": {**_counts(), "axis": _count_axis()}}, width, {"step": step})


def _counts() -> dict[str, Json]:
    return {
        "field": "value",
        "type": "quantitative",
        "stack": "zero",
        "scale": {"nice": True, "domainMin": 0},
    }


def _count_axis() -> dict[str, Json]:
    return {
        "title": None,
        "labelExpr": _COUNT_LABEL,
        "tickCount": 4,
        "tickMinStep": 1,
        "ticks": False,
        "domain": False,
        "grid": True,
    }


def _draw(bars: Sequence[Bar], axes: dict[str, Json], width: int, height: Json) -> str:
    colours: dict[str, str] = {p.label: p.colour for b in bars for p in b.parts}
    values: list[Json] = [
        {"label": b.label, "part": p.label, "value": p.value, "order": at} for b in bars for at, p in enumerate(b.parts)
    ]
    legend: Json = (
        {"title": None, "orient": "top", "symbolType": "square", "symbolSize": 110, "offset": 8}
        if len(colours) > 1
        else None
    )
    colour: Json = {
        "field": "part",
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": legend,
    }
    spec: dict[str, Json] = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": None,
        "width": width,
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "mark": {"type": "bar"},
        "encoding": {**axes, "color": colour, "order": {"field": "order", "type": "quantitative"}},
        "config": _config(),
    }
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    return svg


def _config() -> dict[str, Json]:
    return {
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {"labelFontSize": 12.5, "labelColor": INK, "gridColor": GRID, "domainColor": "#8d99a5"},
        "legend": {"labelFontSize": 12.5, "labelColor": INK},
        "scale": {"bandPaddingInner": 0.28, "bandPaddingOuter": 0.14},
    }
