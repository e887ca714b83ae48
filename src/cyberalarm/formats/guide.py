"""A page for each product, made from its pack: how to make the device send its logs here, what can go wrong, what is understood.

Markdown, for docs/devices/. Nothing stands in it that the pack does not say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Example, Kind, Line, Pack

SENSORS = {"firewall": "Firewall", "ids": "Intrusion detection", "antivirus": "Antivirus", "antispam": "Antispam"}
TRANSPORTS = {
    "udp": "syslog over UDP (simple; lines are lost when the network is busy)",
    "tcp": "syslog over TCP (nothing is lost on the way, as long as the collector is there)",
    "tls": "syslog over TLS (as TCP, and nobody on the way can read it)",
    "file": "a file that the collector reads",
}
SYNTAXES = {
    "kv": "key=value pairs",
    "csv": "values by position",
    "json": "JSON",
    "xml": "XML",
    "cef": "CEF",
    "leef": "LEEF",
    "template": "text",
}


def page(pack: Pack) -> str:
    """One product's page."""
    parts = [
        f"# {pack.title}",
        pack.summary,
        f"Pack `{pack.name}`, version {pack.version}. {_kind_of(pack)}.",
    ]
    if pack.warning:
        parts.append(_caution(pack.warning))
    if pack.fallback:
        parts.append("This pack is used only for lines that no product's own pack knows.")
    parts += ["## Sending its logs to the collector", pack.setup.strip(), _transports(pack)]
    parts += [
        "## What is understood",
        _understood(pack),
        "Everything else that the product writes in these ways is counted and not sent.",
    ]
    if shown := next((example for example in pack.example if example.event), None):
        parts += ["## What leaves your site", *_example(shown)]
    if pack.sources:
        parts += ["## Where the facts come from", "\n".join(f"- {source}" for source in pack.sources)]
    return "\n\n".join(parts) + "\n"


def index(packs: tuple[Pack, ...]) -> str:
    """The list of all products."""
    head = (
        "# Devices and programs whose logs are understood",
        f"{len(packs)} products. `cyberalarm formats explain LINE` shows how one of your own lines is read.",
        "A device that is not here still counts, by the generic packs, when it writes CEF, LEEF, JSON or key=value pairs.",
        "**Read first**: setting up can do harm, or needs a choice.",
    )
    ordered = sorted(packs, key=lambda pack: pack.title.lower())
    rows = ["| product | kind | can send by | |", "|---|---|---|---|", *(_index_row(pack) for pack in ordered)]
    return "\n\n".join([*head, "\n".join(rows)]) + "\n"


def _index_row(pack: Pack) -> str:
    first = "**read first**" if pack.warning else ""
    return f"| [{pack.title}]({pack.name}.md) | {SENSORS[pack.sensor]} | {', '.join(pack.transports)} | {first} |"


def _kind_of(pack: Pack) -> str:
    kinds = {kind.sensor or pack.sensor for line in pack.line for kind in line.kind if not kind.noise}
    return ", ".join(SENSORS[sensor] for sensor in SENSORS if sensor in (kinds or {pack.sensor}))


def _caution(text: str) -> str:
    """Shown in red where Markdown has alerts, and as a quotation elsewhere."""
    lines = text.strip().splitlines()
    return "\n".join(["> [!CAUTION]", *(f"> {line}".rstrip() for line in lines)])


def _transports(pack: Pack) -> str:
    ways = "\n".join(f"- {TRANSPORTS[transport]}" for transport in pack.transports)
    return f"It can send by:\n\n{ways}"


def _understood(pack: Pack) -> str:
    rows = [row for line in pack.line for row in _rows(line)]
    return "\n".join(["| message | written as | becomes |", "|---|---|---|", *rows])


def _rows(line: Line) -> list[str]:
    kept = [kind for kind in line.kind if not kind.noise]
    names = [_name(line, kind) for kind in kept]
    return [f"| {name} | {SYNTAXES[line.syntax]} | {_becomes(kind)} |" for name, kind in zip(names, kept, strict=True)]


def _example(example: Example) -> list[str]:
    fields = "\n".join(f"| {name} | {_cell(value)} |" for name, value in example.event.items())
    return [
        "Of a line such as",
        f"    {example.line}",
        "only this, and where it was kept and how often within a minute:",
        f"| field | value |\n|---|---|\n{fields}",
    ]


def _cell(value: str | int | list[str]) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text.replace("|", "\\|")


def _name(line: Line, kind: Kind) -> str:
    name = line.name if kind.name in {line.name, "any"} else f"{line.name}: {kind.name}"
    return name.replace("|", "\\|")


def _becomes(kind: Kind) -> str:
    return f"an event of {SENSORS[kind.sensor].lower()}" if kind.sensor else "an event"
