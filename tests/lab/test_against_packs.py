"""The packs and the sieve, held against the lab's truth: every line of a week must end as the truth expects.

The lab and the packs are written apart from each other, both from the products' documentation, so that
neither can hide the other's mistakes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from cyberalarm.core.outcome import OUTCOMES
from cyberalarm.lab.hostile import DECOYS

pytest.importorskip("cyberalarm._kernel", reason="the kernel is not built")

from cyberalarm.collector import sieve
from cyberalarm.collector.config import CollectorConfig, Networks
from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from cyberalarm.lab.generate import Plan, PlayLine


def test_every_line_of_a_week_ends_as_expected(week: Plan, lines: list[PlayLine]) -> None:
    of_device: dict[str, list[PlayLine]] = defaultdict(list)
    for line in lines:
        of_device[line.device].append(line)
    wrong: dict[str, Counter[str]] = {}
    confused = []
    for member in week.scenario.members:
        networks = Networks(own=list(member.public), trusted=list(week.scenario.trusted))
        decide = sieve.build(CollectorConfig(networks=networks))
        for device in member.devices:
            sent = of_device[device.name]
            buffer = b"".join(x.line + b"\n" for x in sent)
            batch = bundled().kernel.decode(buffer, received_ms=week.window.end, utc_offset_s=0)
            decide.apply(batch)
            got = [OUTCOMES[code] for code in bytes(batch.outcomes)]
            pairs = zip(sent, got, strict=True)
            differs = Counter(f"{x.outcome} expected, {g} found" for x, g in pairs if x.outcome is not g)
            if differs:
                wrong[device.name] = differs
            for row in bytes(batch.jsonl(1)).splitlines():
                event = json.loads(row).get("event", {})
                if {event.get("src_ip"), event.get("dst_ip")} & set(DECOYS):
                    confused.append(sent[json.loads(row)["line"] - 1].line)
    assert not wrong
    assert not confused
