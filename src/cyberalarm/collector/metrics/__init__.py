"""Figures for Prometheus: what they are (`figures`), how they are written (`exposition`), and who may fetch them (`server`).

Nothing of it is loaded while `metrics.listen` is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.collector.metrics.server import MetricsServer
    from cyberalarm.collector.state import State


def metrics_server(listen: str, note: Callable[[], State | None]) -> MetricsServer | None:
    """A server, not started yet, of the figures of the newest note; None where none is wanted. Raises ConfigurationError."""
    if not listen:
        return None
    from cyberalarm.collector.metrics.exposition import written
    from cyberalarm.collector.metrics.figures import figures
    from cyberalarm.collector.metrics.server import MetricsServer

    def page() -> bytes:
        newest = note()
        return written(figures(newest)) if newest else b""

    return MetricsServer(listen, page)
