"""Prometheus' text format, version 0.0.4.

Our own few lines: of prometheus-client (Apache-2.0, which the centre uses) a collector would need this page only, since the
library's server has no bound on connections or time and no local sockets. Its parser judges this page in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of figures. `name` is the whole name, with `_total` where it counts."""

    name: str
    kind: Kind
    meaning: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        self.samples.append(Sample(value, tuple(labels.items())))


def written(metrics: Iterable[Metric]) -> bytes:
    """The page; metrics without a sample are announced all the same, so that they can be found."""
    lines: list[str] = []
    for metric in metrics:
        lines.append(f"# HELP {metric.name} {_escaped(metric.meaning, quotes=False)}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        lines += [f"{metric.name}{_labels(sample)} {_number(sample.value)}" for sample in metric.samples]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _labels(sample: Sample) -> str:
    if not sample.labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quotes=True)}"' for name, value in sample.labels) + "}"


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    if math.isinf(value) or math.isnan(value):
        return {True: "+Inf", False: "-Inf"}[value > 0] if math.isinf(value) else "NaN"
    return repr(value) if isinstance(value, float) and not value.is_integer() else str(int(value))
