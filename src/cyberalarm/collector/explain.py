"""One line's way through the collector, in words: header, pack, fields, sieve rule, outcome."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector import sieve
from cyberalarm.collector.updates import library_of
from cyberalarm.core.outcome import OUTCOMES, Outcome

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig

_WORDS = {
    Outcome.KEPT: "Suspicious: its metadata is sent to the centre.",
    Outcome.ROUTINE: "Allowed, and nothing suspicious about it: not sent.",
    Outcome.INTERNAL: "Inside your own network: not sent.",
    Outcome.OUTBOUND: "From you to the Internet: not sent.",
    Outcome.TRUSTED: "From a source that you trust: not sent.",
    Outcome.NOISE: "A message about the device itself: not sent.",
    Outcome.UNRECOGNISED: "No pack knows this line: not sent.",
    Outcome.MALFORMED: "A pack knows this kind of line, but it is broken: not sent.",
    Outcome.OVERFLOW: "Too long to look at: not sent.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sent` are the fields that would leave the site; empty unless the outcome is `kept`."""

    outcome: Outcome
    words: str
    rule: str
    product: str
    sent: dict[str, str | int | list[str]]
    steps: list[dict[str, object]]


def explain(config: CollectorConfig, line: bytes) -> Explanation:
    """Explain one line as a fresh collector with this configuration would treat it."""
    now = int(time.time() * 1000)
    kernel = library_of(config).kernel
    told = json.loads(kernel.explain(line, received_ms=now, utc_offset_s=config.utc_offset_s))
    batch = kernel.decode(line.replace(b"\n", b" "), received_ms=now, utc_offset_s=config.utc_offset_s)
    rules = sieve.build(config).explain(batch)
    outcome = OUTCOMES[batch.outcomes[0]] if batch.outcomes else Outcome.MALFORMED
    sent: dict[str, str | int | list[str]] = {}
    if outcome is Outcome.KEPT:
        sent = json.loads(batch.jsonl(1))["event"]
    return Explanation(
        outcome=outcome,
        words=_WORDS[outcome],
        rule=rules[0] if rules else "",
        product=told["product"] or "",
        sent=sent,
        steps=told["steps"],
    )
