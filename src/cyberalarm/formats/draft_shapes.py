"""Guesses how lines are written: CEF, LEEF, JSON, key=value pairs, values by position, or text with changing words."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field

# A way of writing is believed when so many of the lines have it.
SHARE = 0.8
FEWEST_PAIRS = 3
FEWEST_COLUMNS = 6
MOST_TEMPLATES = 6
SHORTEST_BEGINNING = 4

_PAIR = re.compile(r'([\w.@-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_CEF_KEY = re.compile(r"(?:^|\s)([\w.-]+)=")
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|(?=\S*::|(?:[0-9a-fA-F]+:){7})[0-9a-fA-F:]{3,39}")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\S+|\s+')
_PARTS = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3})|(\d+)|([^\d]+)")
ACTION_WORDS = {
    "blocked": {"deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected"},
    "allowed": {"allow", "allowed", "accept", "accepted", "pass", "passed", "permit", "permitted"},
}


@dataclass(slots=True)
class Shape:
    """A guessed way of writing: the line's TOML, the names of its slots, and the action that its fixed words say."""

    head: list[str]
    keys: list[str] = field(default_factory=list)
    action: str = ""


def shape_of(bodies: list[str]) -> Shape | None:
    """The first way of writing that most of the bodies have; None for none."""
    for guess in (_cef, _leef, _json, _pairs, _columns, _text):
        if shape := guess(bodies):
            return shape
    return None


def _most(bodies: list[str], good: list[str]) -> bool:
    return len(good) >= SHARE * len(bodies)


def _seen(keys: list[str]) -> list[str]:
    """Each key once, in the order in which it was first seen."""
    return list(dict.fromkeys(keys))


def _cef(bodies: list[str]) -> Shape | None:
    good = [body for body in bodies if body.startswith("CEF:") and body.count("|") >= 7]
    if not _most(bodies, good):
        return None
    begins = _seen(["|".join(body.split("|", 3)[:3]) + "|" for body in good])
    keys = _seen([key for body in good for key in _CEF_KEY.findall(body.split("|", 7)[7])])
    return Shape(['syntax = "cef"', f"begins = {json.dumps(begins)}"], [*keys, "cef.name", "cef.signature"])


def _leef(bodies: list[str]) -> Shape | None:
    good = [body for body in bodies if body.startswith("LEEF:") and body.count("|") >= 5]
    if not _most(bodies, good):
        return None
    begins = _seen(["|".join(body.split("|", 3)[:3]) + "|" for body in good])
    keys = _seen([key for body in good for key in re.findall(r"(?:^|[\s^|])([\w.-]+)=", body.split("|", 5)[5])])
    return Shape(['syntax = "leef"', f"begins = {json.dumps(begins)}"], keys)


def _json(bodies: list[str]) -> Shape | None:
    rows = []
    for body in bodies:
        try:
            row = json.loads(body)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    if len(rows) < SHARE * len(bodies):
        return None
    always = set.intersection(*(set(row) for row in rows))
    rarest = sorted(always, key=lambda key: (-len(key), key))[:2]
    contains = [f'"{key}"' for key in rarest]
    keys = _seen([path for row in rows for path in _paths(row, "")])
    return Shape(['syntax = "json"', 'begins = ["{"]', f"contains = {json.dumps(contains)}"], keys)


def _paths(value: object, path: str) -> list[str]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _paths(inner, f"{path}.{key}" if path else str(key))]
    return [path] if isinstance(value, str | int | float) else []


def _pairs(bodies: list[str]) -> Shape | None:
    found = [_PAIR.findall(body) for body in bodies]
    good = [body for body, pairs in zip(bodies, found, strict=True) if len(pairs) >= FEWEST_PAIRS]
    if not _most(bodies, good):
        return None
    keys = _seen([key for pairs in found for key, _ in pairs])
    counts = Counter(key for pairs in found for key in {key for key, _ in pairs})
    always = [f"{key}=" for key in keys if counts[key] == len(bodies)]
    return Shape(['syntax = "kv"', *_recognised(good, sorted(always, key=len, reverse=True)[:2])], keys)


def _columns(bodies: list[str]) -> Shape | None:
    usual = Counter(body.count(",") for body in bodies).most_common(1)[0][0]
    good = [body for body in bodies if body.count(",") == usual]
    if usual + 1 < FEWEST_COLUMNS or not _most(bodies, good):
        return None
    first = good[0].split(",")
    names = [f"column{number}" for number in range(1, len(first) + 1)]
    addresses = [at for at, value in enumerate(first) if _IP.fullmatch(value.strip('" '))]
    for at, name in zip(addresses, ("src", "dst"), strict=False):
        names[at] = name
    fixed = [
        first[at] for at in range(len(first)) if len({body.split(",")[at] for body in good}) == 1 and len(first[at]) > 2
    ]
    head = ['syntax = "csv"', *_recognised(good, fixed[:2]), f"columns = {json.dumps(names)}"]
    return Shape(head, names)


def _text(bodies: list[str]) -> Shape | None:
    groups = Counter(_skeleton(body) for body in bodies)
    templates, keys = [], []
    for skeleton, _ in groups.most_common(MOST_TEMPLATES):
        template, names = _template(skeleton)
        templates.append(template)
        keys += names
    if "src" not in keys:
        return None
    words = {word.lower().strip(":,.;") for skeleton in groups for word in skeleton.split()}
    said = [action for action, some in ACTION_WORDS.items() if words & some]
    head = ['syntax = "template"', *_recognised(bodies, []), f"templates = {json.dumps(_seen(templates), indent=2)}"]
    return Shape(head, _seen(keys), said[0] if len(said) == 1 else "")


def _skeleton(body: str) -> str:
    """A line with what changes taken out: addresses, numbers and quoted texts."""
    parts = []
    for token in _TOKEN.findall(body):
        if token.startswith('"') and token.endswith('"') and len(token) > 1:
            parts.append('"\0q"')
        else:
            parts.append(_PARTS.sub(lambda m: "\0a" if m[1] else "\0n" if m[2] else m[3], token))
    return "".join(parts)


def _template(skeleton: str) -> tuple[str, list[str]]:
    """A skeleton as a template: the first address is the source, the second the destination, numbers right behind them ports."""
    escaped = re.sub(r"([\[\]{}\\])", r"\\\1", skeleton)
    names = iter(("src", "dst"))
    keys: list[str] = []

    def address(found: re.Match[str]) -> str:
        name = next(names, "*")
        port = found[1] or ""
        keys.append(name)
        if not port:
            return f"{{{name}:ip}}"
        keys.append("" if name == "*" else f"{'s' if name == 'src' else 'd'}port")
        return f"{{{name}:ip}}{port[0]}{{{keys[-1] or '*'}:int}}"

    text = re.sub(r"\0a([:/]\0n)?", address, escaped)
    return text.replace('"\0q"', '"{*:quoted}"').replace("\0n", "{*:int}"), [key for key in keys if key and key != "*"]


def _common(bodies: list[str]) -> str:
    """What all begin with."""
    first, last = min(bodies), max(bodies)
    return first[
        : next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    ]


def _recognised(bodies: list[str], always: list[str]) -> list[str]:
    """`begins` and `contains`: what all bodies have."""
    prefix = re.split(r"[\d\"]", _common(bodies), maxsplit=1)[0]
    if len(prefix) >= SHORTEST_BEGINNING:
        head = [f"begins = {json.dumps([prefix])}"]
    else:
        first = Counter(re.split(r"[\d\"\s]", body, maxsplit=1)[0] for body in bodies)
        head = [f"begins = {json.dumps(sorted(word for word in first if word))}"] if "" not in first else []
    return [*head, f"contains = {json.dumps(always)}"] if always else head
