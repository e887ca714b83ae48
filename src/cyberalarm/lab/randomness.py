"""Named streams of pseudo-random numbers: the same names give the same numbers, on every machine and version.

Each part of the lab draws from its own stream, so that adding lines to one part changes no other.
"""

from __future__ import annotations

from random import Random


def stream(*names: str | int) -> Random:
    """The stream with this name.

    Seeded by the text's SHA-512 (random.seed version 2), so hash randomisation is out.
    """
    return Random("/".join(map(str, names)))  # noqa: S311 - repeatable on purpose, nothing secret


def times(rng: Random, start: int, end: int, count: int) -> list[int]:
    """Sorted random instants in [start, end), in milliseconds."""
    width = end - start
    return sorted(start + int(rng.random() * width) for _ in range(count))


def rounded(rng: Random, expected: float) -> int:
    """A whole number whose mean is `expected`."""
    return int(expected + rng.random())
