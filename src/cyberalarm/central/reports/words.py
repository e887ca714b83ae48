"""Numbers, times and names in plain English, and the one door that makes strings from devices safe to show.

Pure. `shown` keeps a string's letters and makes visible what would otherwise move or hide text.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from cyberalarm.central.reports.period import LONDON
from cyberalarm.core.ports import PROTOCOLS, known_ports, port_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from cyberalarm.central.reports.figures import PortKey

# Below this many events in either period a percentage would say more than it knows.
TOO_FEW_TO_COMPARE = 50

CATEGORIES: dict[str, str] = {
    "none": "Connection tries seen by the firewall",
    "scan": "Looking for open doors (scanning)",
    "guessing": "Guessing passwords",
    "exploit": "Trying a known weakness",
    "web_attack": "Misuse of a website",
    "malware": "Harmful software",
    "command_and_control": "A device inside calling a control server",
    "denial": "Flooding",
    "spam": "Unwanted mail",
    "phishing": "Mail made to deceive",
    "policy": "Against a local rule",
    "anomaly": "Out of the ordinary",
}

SEVERITIES: tuple[str, ...] = ("Not said", "Low", "Medium", "High", "Critical")

# Said wherever an address may be forged, in these words alone.
MAY_BE_FORGED = (
    "Only the source spoke, so its address could be somebody else's: do not accuse anybody or block it on this alone."
)

# Part of what nearly every product calls the harmless EICAR file, which only tries out whether antivirus notices. The detection
# rule malware-test-file knows it by the same.
TEST_FILE = "eicar"

_TCP = 6
# From three days in a row on, only the first and the last are named; more runs than this are not.
_RUN, _MOST_RUNS = 3, 4
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def shown(text: str) -> str:
    """Give a string from outside so that every character takes its own visible place.

    Control and format characters (which could reorder or hide text) become their code in brackets.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return f"[U+{ord(character):04X}]"
    return character


def number(value: int) -> str:
    """Digits with thousands marked."""
    return f"{value:,}"


def count(value: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 address", "1,204 addresses", "no addresses"."""
    noun = one if value == 1 else (many or one + "s")
    return f"{'no' if value == 0 else number(value)} {noun}"


def times(value: int) -> str:
    """How often: "once", "twice", "38 times"."""
    return {1: "once", 2: "twice"}.get(value, f"{number(value)} times")


def capital(text: str) -> str:
    """A text as the beginning of a sentence; names inside keep their capitals."""
    return text[:1].upper() + text[1:]


def small(value: int) -> str:
    """A number up to ten as a word."""
    return _SMALL[value] if value < len(_SMALL) else number(value)


def sentences(*parts: str) -> str:
    """Join texts, each ended by a full stop."""
    return " ".join(p if p.endswith((".", "!", "?")) else p + "." for p in (part.strip() for part in parts) if p)


def share(part: int, whole: int) -> str:
    """A part of a whole as "97 in 100"; never rounds something to nothing or to everything."""
    if whole == 0 or part == 0:
        return "none"
    if part == whole:
        return "all"
    hundredths = part * 100 / whole
    if hundredths < 1:
        return "fewer than 1 in 100"
    if hundredths > 99:
        return "more than 99 in 100"
    return f"{hundredths:.0f} in 100"


def percent(part: int, whole: int) -> str:
    """A part of a whole as a short percentage for tables."""
    if whole == 0 or part == 0:
        return "0%"
    value = part * 100 / whole
    if value < 0.1:
        return "<0.1%"
    return f"{value:.1f}%"


def change(now: int, before: int) -> str:
    """How a number differs from the one before, in words."""
    if now == before:
        return "the same as"
    if min(now, before) < TOO_FEW_TO_COMPARE:
        return "more than" if now > before else "fewer than"
    ratio = now / before
    if ratio >= 1.95:
        return f"{_times(ratio)} as many as"
    if 0.9 <= ratio <= 1.1:
        return "about the same as"
    if ratio > 1:
        return f"{(ratio - 1) * 100:.0f}% more than"
    return f"{(1 - ratio) * 100:.0f}% fewer than"


def _times(ratio: float) -> str:
    return "about twice" if ratio < 2.5 else f"about {small(round(ratio))} times"


# Countries whose name takes an article in a sentence.
_WITH_ARTICLE = (
    "United ",
    "Netherlands",
    "Philippines",
    "Democratic Republic",
    "Central African",
    "British ",
    "US ",
)


def the_country(name: str) -> str:
    """A country's name as it stands in a sentence."""
    article = name.startswith(_WITH_ARTICLE) or name.endswith("Islands") or name == "Dominican Republic"
    return f"the {name}" if article else name


def day(value: date) -> str:
    return f"{value:%a}\N{NO-BREAK SPACE}{value.day}\N{NO-BREAK SPACE}{value:%b}"


def day_short(value: date) -> str:
    return f"{value:%a}\N{NO-BREAK SPACE}{value.day}"


def days(values: Sequence[date]) -> str:
    """Days in order, with whole runs as such: "Mon 9 to Wed 11 Nov and Fri 13 Nov"."""
    runs: list[list[date]] = []
    for value in values:
        if runs and (value - runs[-1][-1]).days == 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    said: list[str] = []
    for run in runs[:_MOST_RUNS]:
        said += [day(d) for d in run] if len(run) < _RUN else [f"{day(run[0])} to {day(run[-1])}"]
    if len(runs) > _MOST_RUNS:
        said.append("other days")
    return listed(said)


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def is_test_file(threat: str) -> bool:
    """Is this what a product calls the harmless test file?"""
    return TEST_FILE in threat.lower()


def moment(value: datetime) -> str:
    """A moment in London, short, and kept on one line: "9 Nov 14:05"."""
    local = value.astimezone(LONDON)
    return f"{local.day}\N{NO-BREAK SPACE}{local:%b}\N{NO-BREAK SPACE}{local:%H:%M}"


def span(first: datetime, last: datetime) -> str:
    """From one moment to another; the day only once where it is the same."""
    if first.replace(second=0, microsecond=0) == last.replace(second=0, microsecond=0):
        return moment(first)
    if first.astimezone(LONDON).date() == last.astimezone(LONDON).date():
        return f"{moment(first)} – {last.astimezone(LONDON):%H:%M}"
    return f"{moment(first)} – {moment(last)}"


def moment_long(value: datetime) -> str:
    """A moment in London with its year: "9 November 2026, 14:05"."""
    local = value.astimezone(LONDON)
    return f"{local.day} {local:%B %Y}, {local:%H:%M}"


def protocol_name(protocol: int) -> str:
    return PROTOCOLS.get(protocol, "" if protocol == 255 else f"Protocol {protocol}")


def port_words(key: PortKey) -> str:
    """What a port is for, in words."""
    if key.port is None:
        return f"{protocol_name(key.protocol) or 'Not said'} (no port)"
    return port_name(key.port) if key.port in known_ports() else "No common use known"


def port_code(key: PortKey) -> str:
    """A port as technicians write it: "3389/TCP"."""
    name = protocol_name(key.protocol)
    if key.port is None:
        return name or "–"
    return f"{key.port}/{name}" if name else str(key.port)


def port_brief(key: PortKey) -> str:
    """A port where room is short: the number alone for TCP, which most are."""
    return str(key.port) if key.port is not None and key.protocol == _TCP else port_code(key)


def port_short(key: PortKey) -> str:
    """A port in a list: its common name where it has one, else its code."""
    if key.port is not None and key.port in known_ports():
        return f"{port_name(key.port)} {key.port}"
    return port_code(key)
