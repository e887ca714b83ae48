"""What the benchmark of bytes on the wire counts are whole bundles, opened and found exact."""

from __future__ import annotations

from bench import wire


def test_each_minutes_lines_are_one_bundle() -> None:
    found = list(wire.bundles(2, 2))
    assert len(found) == 2
    for bundle in found:
        assert 60 < bundle.lines < 240
        assert 0 < bundle.rows <= bundle.kept < bundle.lines
        assert 0 < bundle.arrow < bundle.envelope < bundle.raw
