"""A finding's words, from its rule, its group and, in what it says and advises, its figures.

Pure. Hostile text stays text: nothing here knows of markup.
"""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cyberalarm.core.ports import port_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .evidence import Evidence
    from .rule import Rule

# What a text may name beside the fields that a rule groups by.
PORT_NAME = "port_name"
LONGEST_TITLE = 300
# What a rule's explanation and advice may name beside those: who reported it, and when.
REPORTED_BY, WHEN = "reported_by", "when"
FACTS = frozenset({REPORTED_BY, WHEN})
_LONDON = ZoneInfo("Europe/London")
# More than these help nobody to find a log.
_MOST_REPORTERS = 3


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def allowed_placeholders(rule: Rule) -> frozenset[str]:
    """What a title may name."""
    extra = {PORT_NAME} if "dst_port" in rule.group_by else set()
    return frozenset({*rule.group_by, *extra})


def fact_values(evidence: Evidence, first: datetime, last: datetime) -> dict[str, str]:
    """Values for `FACTS`: which devices reported it, and when, in UK time."""
    named = [f"{r.product or 'a device'} (device {r.device or 'not named'})" for r in evidence.reporters]
    more = " and others" if len(named) > _MOST_REPORTERS else ""
    return {REPORTED_BY: ", ".join(named[:_MOST_REPORTERS]) + more, WHEN: _when(first, last)}


def _when(first: datetime, last: datetime) -> str:
    begin, end = first.astimezone(_LONDON), last.astimezone(_LONDON)
    if begin.replace(second=0, microsecond=0) == end.replace(second=0, microsecond=0):
        return f"on {_moment(begin)}"
    if begin.date() == end.date():
        return f"on {begin.day} {begin:%B %Y} between {begin:%H:%M} and {end:%H:%M}"
    return f"between {_moment(begin)} and {_moment(end)}"


def _moment(local: datetime) -> str:
    return f"{local.day} {local:%B %Y} at {local:%H:%M}"


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put a group's values in the place of `{field}`; an empty one reads "(not named)"."""
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(literal)
        if name == PORT_NAME:
            port = values.get("dst_port", "")
            known = port_name(int(port) if port else None)
            parts.append(known if known.startswith("Port ") else f"{known}, port {port}")
        elif name:
            parts.append(values[name] or "(not named)")
    return "".join(parts)


# What stands in a group's place when there are too many groups to name.
_MANY = {
    "src_ip": "many addresses",
    "dst_ip": "many addresses",
    "dst_port": "many ports",
    PORT_NAME: "many ports",
    "protocol": "several protocols",
    "signature": "many names",
    "threat": "many names",
    REPORTED_BY: "your devices",
}


def filled_for_many(text: str, first: datetime, last: datetime) -> str:
    """A rule's text about very many groups at once."""
    values = {**_MANY, WHEN: _when(first, last)}
    parts = ((literal, values.get(name, "many") if name else "") for literal, name, _, _ in Formatter().parse(text))
    return "".join(literal + said for literal, said in parts)
