"""One line's way through the collector, in words: header, pack, fields, sieve rule, outcome."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector import sieve
from cyberalarm.collector.listed_sources import ranges_of
from cyberalarm.collector.updates import library_of
from cyberalarm.core import addresses
from cyberalarm.core.known_sources import chosen, operator_of
from cyberalarm.core.outcome import OUTCOMES, Outcome

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.listed_sources import Ranges

_WORDS = {
    Outcome.KEPT: "Suspicious: its metadata is sent to the centre.",
    Outcome.ROUTINE: "Allowed, and nothing suspicious about it: not sent.",
    Outcome.INTERNAL: "Inside your own network: not sent.",
    Outcome.OUTBOUND: "From you to the Internet: not sent.",
    Outcome.TRUSTED: "From a source that you trust, or chose to leave out: not sent.",
    Outcome.NOISE: "A message about the device itself: not sent.",
    Outcome.UNRECOGNISED: "No pack knows this line: not sent.",
    Outcome.MALFORMED: "A pack knows this kind of line, but it is broken: not sent.",
    Outcome.OVERFLOW: "Too long to look at: not sent.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sent` are the fields that would leave the site; empty unless the outcome is `kept`. `source` says who the source is, where
    that is known.
    """

    outcome: Outcome
    words: str
    rule: str
    product: str
    sent: dict[str, str | int | list[str]]
    steps: list[dict[str, object]]
    source: str = ""


def explain(config: CollectorConfig, line: bytes) -> Explanation:
    """Explain one line as a fresh collector with this configuration would treat it."""
    now = int(time.time() * 1000)
    kernel = library_of(config).kernel
    told = json.loads(kernel.explain(line, received_ms=now, utc_offset_s=config.utc_offset_s))
    batch = kernel.decode(line.replace(b"\n", b" "), received_ms=now, utc_offset_s=config.utc_offset_s)
    listed = ranges_of(config)
    rules = sieve.build(config, listed).explain(batch)
    outcome = OUTCOMES[batch.outcomes[0]] if batch.outcomes else Outcome.MALFORMED
    event: dict[str, str | int | list[str]] = json.loads(batch.jsonl(1)).get("event", {}) if batch.rows else {}
    return Explanation(
        outcome=outcome,
        words=_WORDS[outcome],
        rule=rules[0] if rules else "",
        product=told["product"] or "",
        sent=event if outcome is Outcome.KEPT else {},
        steps=told["steps"],
        source=_who(config, str(event.get("src_ip", "")), listed),
    )


def _who(config: CollectorConfig, source: str, listed: Ranges) -> str:
    """Words about a source that stands on a list."""
    if not source:
        return ""
    raw, words = addresses.pack(source), []
    operator = operator_of(raw)
    if operator is not None:
        words.append(f"The source is {operator.title}. {operator.does}")
        applied = operator in chosen(config.networks.known)
        chose = "You chose to leave out what is blocked of it" if applied else "You have not chosen it"
        words.append(f"{chose} (`{operator.name}` in networks.known).")
    if any(first <= raw.hex() <= last for first, last in listed):
        words.append("The source is listed by the centre: it was hostile at several members.")
    return " ".join(words)
