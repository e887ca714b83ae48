"""A finding's words, from its rule and its group.

Pure. Hostile text stays text: nothing here knows of markup.
"""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from cyberalarm.core.ports import port_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rule import Rule

# What a text may name beside the fields that a rule groups by.
PORT_NAME = "port_name"
LONGEST_TITLE = 300


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def allowed_placeholders(rule: Rule) -> set[str]:
    extra = {PORT_NAME} if "dst_port" in rule.group_by else set()
    return {*rule.group_by, *extra}


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
