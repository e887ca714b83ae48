"""Bars keep to their figures and to their drawing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.site.charts import HEIGHT, WIDTH, Bar, bar_chart, nice_ceiling


@given(st.integers(0, 10**15))
def test_the_ceiling_is_near_and_not_below(value: int) -> None:
    top = nice_ceiling(value)
    assert value <= top <= max(2, value * 2)
    assert top % 2 == 0


_BARS = st.integers(0, 10**12).flatmap(
    lambda total: st.builds(Bar, st.just("1 Nov"), st.just(total), st.integers(0, total))
)


@given(st.lists(_BARS, max_size=60))
def test_bars_are_proportional_and_inside(bars: list[Bar]) -> None:
    chart = bar_chart(bars)
    assert len(chart.bars) == len(bars)
    assert sum(bar.label_shown for bar in chart.bars) <= 12
    top = nice_ceiling(max((bar.total for bar in bars), default=1))
    for bar, drawn in zip(bars, chart.bars, strict=True):
        assert 0 <= drawn.x <= drawn.x + drawn.width <= WIDTH + 0.2
        assert 0 <= drawn.y <= chart.base <= HEIGHT
        assert abs((drawn.height + drawn.part_height) / (chart.base - 12) - bar.total / top) < 0.01
