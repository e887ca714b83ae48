"""What earlier lines have taught makes the kernel quicker and changes nothing: a line means the same alone as among others."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from cyberalarm.formats.library import bundled
from tests.kernel.decoding import EXAMPLES, NOON, batch_of, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.decoding import Fate

HEADS = ("<134>Nov 18 09:15:{:02} gw.example.org ", "<13>1 2026-11-18T09:15:{:02}.000Z gw.example.org app 7 - - ", "")


def _alone(line: str) -> dict[str, Any]:
    """What a line means that is decoded with nothing before it."""
    explained: dict[str, Any] = json.loads(bundled().kernel.explain(line.encode(), received_ms=NOON))
    return {"outcome": explained["outcome"], "product": explained["product"], "event": explained["event"] or {}}


def _among(fate: Fate) -> dict[str, Any]:
    return {"outcome": fate.outcome, "product": fate.product, "event": fate.event}


def _varied(line: str, chance: random.Random) -> Iterator[str]:
    """A line as it is, and with some of its digits, and one of its letters, changed; now and then behind a relay's header."""
    for _ in range(4):
        changed = re.sub(r"\d", lambda found: chance.choice("0123456789") if chance.random() < 0.05 else found[0], line)
        at = chance.randrange(len(line) + 1)
        yield chance.choice(HEADS).format(chance.randrange(60)) + line
        yield line
        yield changed
        yield changed[:at] + chance.choice('x"= ,\\') + changed[at + 1 :]


@pytest.mark.parametrize("seed", range(3))
def test_a_line_means_the_same_among_lines_that_begin_alike(seed: int) -> None:
    chance = random.Random(seed)
    examples = [line for line in chance.sample(EXAMPLES, 150) if "\n" not in line and "\r" not in line]
    lines = [varied for line in examples for varied in _varied(line, chance)]
    # Neighbours first, so that what is learnt from one is used for the next; then in any order.
    lines += chance.sample(lines, len(lines))
    found = told(batch_of("".join(line + "\n" for line in lines).encode()))
    assert len(found) == len(lines)
    for line, fate in zip(lines, found, strict=True):
        assert _among(fate) == _alone(line), line


def test_what_was_learnt_in_another_zone_or_year_is_not_used() -> None:
    head = "<134>Nov 18 09:15:{:02} filterlog[31337]: "
    line = (
        head
        + "4,,,1000000103,igb0,match,block,in,4,0x0,,244,54321,0,none,6,tcp,40,198.51.100.60,203.0.113.30,55012,445,0,S\n"
    )
    buffer = "".join(line.format(second) for second in range(60)).encode()
    year = 365 * 86_400_000
    for received, offset, date in [
        (NOON, 0, "2026-11-18T09:15:"),
        (NOON, 3600, "2026-11-18T08:15:"),
        (NOON + year, 0, "2027-11-18T09:15:"),
        (NOON - 2 * 86_400_000, 0, "2025-11-18T09:15:"),
        (NOON, 0, "2026-11-18T09:15:"),
    ]:
        times = [fate.event["time"] for fate in told(batch_of(buffer, received_ms=received, utc_offset_s=offset))]
        assert times == [f"{date}{second:02}.000Z" for second in range(60)]
