"""What is right about real lines by others, said without the packs: which pack may speak for a folder's lines, and regular
expressions that find the same addresses, ports, actions and times in another way.

`conformance/<group>.toml` holds the judgements; nothing of the lines themselves. The measure is `measure()`; its table is
docs/conformance.md (`python -m tests.formats.judgements` writes it).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.formats.corpora import lines
from tests.kernel.decoding import NOON, Fate, fates

HERE = Path(__file__).with_name("conformance")
# What the table tells of: for each column the fields that it counts.
COLUMNS = {
    "addresses": {"src_ip", "dst_ip"},
    "ports": {"src_port", "dst_port"},
    "action": {"action"},
    "time": {"time"},
}
PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "51": "ah", "58": "ipv6-icmp", "2": "igmp"}


@dataclass(frozen=True, slots=True)
class Oracle:
    """The first whose pattern is found in a line says what must come of it."""

    pattern: re.Pattern[str]
    fields: dict[str, Any]
    maps: dict[str, dict[str, str]]
    outcome: str
    time: str | None


@dataclass(frozen=True, slots=True)
class Folder:
    name: str
    packs: frozenset[str]
    strangers: dict[int, str]
    broken: dict[int, str]
    oracles: tuple[Oracle, ...]


@dataclass(slots=True)
class Score:
    """Counts for one folder."""

    folder: str
    lines: int = 0
    known: int = 0
    judged: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    # For each column of the table, lines about which something is said, and those where it is right.
    said: Counter[str] = field(default_factory=Counter)
    good: Counter[str] = field(default_factory=Counter)


def folders() -> list[Folder]:
    """All judgements, in the order of their folders. Raises ValueError for a key that nobody knows."""
    read = ((file.name, tomllib.loads(file.read_text(encoding="utf-8"))) for file in sorted(HERE.glob("*.toml")))
    found = [_folder(name, row) for name, group in read for row in group.get("folder", [])]
    names = [folder.name for folder in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"judged in two places: {twice}")
    return sorted(found, key=lambda folder: folder.name)


def grants() -> dict[str, frozenset[str]]:
    """Folders that are no product's of ours, with the packs that know some of their lines."""
    read = (tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(HERE.glob("*.toml")))
    return {row["name"]: frozenset(row["packs"]) for group in read for row in group.get("grant", [])}


def _folder(file: str, row: dict[str, Any]) -> Folder:
    if unknown := set(row) - {"name", "packs", "strangers", "broken", "oracle"}:
        raise ValueError(f"{file}: {row['name']}: unknown keys {sorted(unknown)}")
    oracles = []
    for oracle in row.get("oracle", []):
        if unknown := set(oracle) - {"pattern", "fields", "maps", "outcome", "time"}:
            raise ValueError(f"{file}: {row['name']}: unknown keys {sorted(unknown)}")
        pattern, outcome = re.compile(oracle["pattern"]), oracle.get("outcome", "kept")
        oracles.append(Oracle(pattern, oracle.get("fields", {}), oracle.get("maps", {}), outcome, oracle.get("time")))
    strangers, broken = ({int(k): v for k, v in row.get(key, {}).items()} for key in ("strangers", "broken"))
    return Folder(row["name"], frozenset(row["packs"]), strangers, broken, tuple(oracles))


def measure(folder: Folder) -> Score:
    """Decode a folder's lines and compare."""
    raw = lines(folder.name)
    score = Score(folder.name)
    for found, line in zip(fates(*raw), raw, strict=True):
        if found.line in folder.strangers or not line.strip():
            continue
        score.lines += 1
        if found.product not in folder.packs:
            score.wrong.append(f"{folder.name}:{found.line}: known as {found.product}")
            continue
        score.known += 1
        text = line.decode(errors="replace")
        if found.line in folder.broken:
            faults = {} if found.outcome == "malformed" else {"outcome": f"is {found.outcome}, not malformed"}
            said: set[str] | None = set()
        else:
            said, faults = judge(folder.oracles, text, found)
        if said is None:
            continue
        score.judged += 1
        score.right += not faults
        score.wrong += [f"{folder.name}:{found.line}: {fault}" for fault in faults.values()]
        for column, names in COLUMNS.items():
            score.said[column] += bool(names & said)
            score.good[column] += bool(names & said) and not names & set(faults)
    return score


def judge(oracles: tuple[Oracle, ...], text: str, found: Fate) -> tuple[set[str] | None, dict[str, str]]:
    """The fields of which an oracle speaks, None when none does; and by field what is wrong."""
    for oracle in oracles:
        match = oracle.pattern.search(text)
        if match is None:
            continue
        wanted: dict[str, Any] = dict(oracle.fields)
        for name, value in match.groupdict().items():
            if value is not None:
                wanted[name] = oracle.maps.get(name, {}).get(value, value)
        if found.outcome != oracle.outcome:
            return set(wanted), dict.fromkeys(wanted or {"outcome": ""}, f"is {found.outcome}, not {oracle.outcome}")
        faults = {name: _fault(name, value, found.event, oracle.time) for name, value in wanted.items()}
        return set(wanted), {name: fault for name, fault in faults.items() if fault}
    return None, {}


def _fault(name: str, wanted: Any, event: dict[str, Any], stamp: str | None) -> str | None:
    got = event.get(name)
    if name == "time":
        same = _same_time(str(wanted), got, stamp)
    elif wanted == "" or wanted is None:
        same = got is None
    elif name.endswith("_ip"):
        same = got is not None and ip_address(got) == ip_address(wanted)
    elif name == "protocol":
        said = str(wanted).lower()
        same = str(got).lower() == PROTOCOLS.get(said, said)
    elif isinstance(got, int):
        same = got == int(wanted)
    else:
        same = got == wanted
    return None if same else f"{name} is {got!r}, not {wanted!r}"


def _same_time(wanted: str, got: str | None, stamp: str | None) -> bool:
    if got is None:
        return False
    seen = datetime.fromisoformat(got)
    if stamp is None:
        said = float(wanted)
        return abs(seen.timestamp() - (said if said < 1e11 else said / 1000)) < 1
    yearless = "%y" not in stamp.lower()
    text, shape = (f"2024 {wanted}", f"%Y {stamp}") if yearless else (wanted, stamp)
    parsed = datetime.strptime(text, shape)  # noqa: DTZ007 - a zone that the line does not say is UTC's
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if yearless:
        seen = seen.replace(year=2024)
    # A clock that runs ahead of the time of reading is not believed; no recorded line may hang on that.
    return abs((seen - parsed).total_seconds()) < 1 or parsed.timestamp() * 1000 > NOON + 86_400_000


def table(scores: list[Score]) -> str:
    """Markdown: one row per folder, then all."""
    head = [
        "| lines of | lines | right product | judged | all right | addresses | ports | action | time |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    total = Score("**all**")
    for score in scores:
        for name in ("lines", "known", "judged", "right"):
            setattr(total, name, getattr(total, name) + getattr(score, name))
        total.said.update(score.said)
        total.good.update(score.good)
    return "\n".join([*head, *(_row(score) for score in [*scores, total])])


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if part < whole else str(whole) if whole else "–"


def _row(score: Score) -> str:
    cells = [
        score.folder,
        str(score.lines),
        _share(score.known, score.lines),
        str(score.judged),
        _share(score.right, score.judged),
        *(_share(score.good[column], score.said[column]) for column in COLUMNS),
    ]
    return f"| {' | '.join(cells)} |"


PAGE = """# How other people's lines are read

Lines of real devices, collected by other projects (Splunk Connect for Syslog, Wazuh, Fail2ban, CrowdSec), decoded by the bundled
packs and judged by regular expressions that know nothing of packs (`tests/formats/conformance/`). Written by `make conformance`; a
test fails when any line falls back. A plain number means all of them; the collections themselves are not part of this repository.
The judgements were written together with the packs: they show that nothing was overlooked or has fallen back, not what unseen lines
would give.

"""


if __name__ == "__main__":
    scores = [
        measure(folder) for folder in folders() if not sys.argv[1:] or any(a in folder.name for a in sys.argv[1:])
    ]
    for score in scores:
        sys.stderr.writelines(f"{fault}\n" for fault in score.wrong)
    sys.stdout.write(("" if sys.argv[1:] else PAGE) + table(scores) + "\n")
