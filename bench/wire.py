"""Bytes on the wire for each raw line, on the lab's mix: what a collector posts, over what its devices sent.

    python bench/wire.py [LINES_A_SECOND …]

Three members' devices send to one collector at eleven on a Wednesday, in their usual proportions; a bundle is sealed each minute,
as in the default configuration. The goal is six bytes a line. What every bundle costs whatever it holds is shown apart, since it
is most of what few lines cost. Counts are checked: the rows of a bundle stand for exactly the lines that were kept.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from cyberalarm.collector.config import CollectorConfig, Networks
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.spool import Spool
from cyberalarm.core.outcome import Outcome
from cyberalarm.envelope import payload, sealing
from cyberalarm.envelope.keys import AnalysisKey, SigningKey
from cyberalarm.formats.library import bundled
from cyberalarm.lab.episodes import Window
from cyberalarm.lab.generate import Plan, PlayLine
from cyberalarm.lab.population import populate
from cyberalarm.lab.scenario import default_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

RATES = (50, 500, 5_000)
GOAL = 6.0
BUNDLES = 3
MINUTE = 60_000
ELEVEN = int(datetime(2026, 11, 18, 11, tzinfo=UTC).timestamp() * 1000)
LINES_A_SECOND = 0.44  # that the lab's default scenario writes at that hour, at scale 1
MOST_SOURCES = 20.0  # times 1,500: more sources than that take longer to draw than all lines to write
LINES_A_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Bundle:
    envelope: int
    arrow: int
    lines: int
    raw: int
    kept: int
    rows: int


def lines_at(rate: int, minutes: int) -> Iterator[PlayLine]:
    scenario, scale = default_scenario(), rate / LINES_A_SECOND
    population = populate(scenario, "wire", min(scale, MOST_SOURCES))
    for number in range(minutes):
        # A minute at a time, since the lab makes whole hours at once.
        start = ELEVEN + number * MINUTE
        yield from Plan(scenario, f"wire {number}", Window(start, start + MINUTE), scale, population, ()).lines()


def bundles(rate: int, minutes: int) -> Iterator[Bundle]:
    scenario, to = default_scenario(), AnalysisKey.generate()
    own = [net for member in scenario.members for net in member.public]
    config = CollectorConfig(time_zone="UTC", networks=Networks(own=own, trusted=list(scenario.trusted)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = Spool(folder / "spool", 10**9)
        sealer = Sealer("c-bench", SigningKey.generate(), to.public)
        made = Pipeline(config, bundled(), DeviceNames(folder), spool, sealer)
        for minute, sent in groupby(lines_at(rate, minutes), key=lambda line: line.time // MINUTE):
            raw = lines = 0
            waiting: dict[str, list[bytes]] = {}
            for line in sent:
                gathered = waiting.setdefault(line.device, [])
                gathered.append(line.line)
                lines, raw = lines + 1, raw + len(line.line) + 1
                if len(gathered) == LINES_A_CHUNK:
                    take(made, line.device, waiting.pop(line.device), minute)
            for device, gathered in waiting.items():
                take(made, device, gathered, minute)
            made.close_bundle()
            yield measured(spool, to, lines, raw)


def take(made: Pipeline, device: str, gathered: list[bytes], minute: int) -> None:
    made.take(Chunk(device, b"".join(line + b"\n" for line in gathered)), reference_ms=(minute + 1) * MINUTE)


def measured(spool: Spool, to: AnalysisKey, lines: int, raw: int) -> Bundle:
    """The bundle that was sealed last, opened as the centre does, and put away."""
    found = spool.next()
    if found is None:
        sys.exit("No bundle was made.")
    link, envelope = found
    ledgers, arrow = payload.unpack(sealing.open_sealed(envelope, {to.public.key_id: to}))
    table = pa.ipc.open_stream(arrow).read_all()
    kept = sum(ledger.outcomes[Outcome.KEPT] for ledger in ledgers.values())
    if sum(table["count"].to_pylist()) != kept or sum(ledger.received for ledger in ledgers.values()) != lines:
        sys.exit("The counts are not exact.")
    spool.receipted(link)
    return Bundle(len(envelope), len(arrow), lines, raw, kept, table.num_rows)


def main() -> None:
    rates = [int(text) for text in sys.argv[1:]] or RATES
    empty = next(bundles(1, 1))
    print(
        f"a bundle of {empty.lines} lines, {empty.rows} rows: {empty.envelope:,} bytes, of which Arrow {empty.arrow:,}"
    )
    for rate in rates:
        every = list(bundles(rate, BUNDLES if rate < RATES[-1] else 1))
        total = Counter[str]()
        for one in every:
            total.update({name: getattr(one, name) for name in Bundle.__slots__})
        a_line, less = total["envelope"] / total["lines"], total["raw"] / total["envelope"]
        beside = (total["envelope"] - total["arrow"]) / len(every)
        print(
            f"{total['lines'] / len(every) / 60:7,.0f} lines/s: {a_line:5.2f} bytes a line"
            f" ({'within' if a_line <= GOAL else 'above'} {GOAL:.0f}), {less:4.0f} times less than raw;"
            f" {total['kept'] / total['lines']:4.0%} kept, in {total['rows']:,} rows of {total['arrow'] / total['rows']:.1f} bytes,"
            f" and {beside:,.0f} bytes a bundle beside"
        )


if __name__ == "__main__":
    main()
