"""Comparing versions of the program, such as 0.1.0."""

from __future__ import annotations


def older(ours: str, minimum: str) -> bool:
    """Is our version below the minimum? One that cannot be read is not."""
    try:
        return [int(p) for p in ours.split(".")] < [int(p) for p in minimum.split(".")]
    except ValueError:
        return False
