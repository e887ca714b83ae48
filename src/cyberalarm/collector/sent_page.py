"""A page of one bundle as it left, for a browser: one HTML file without scripts, pictures or anything from elsewhere.

Every text in it is escaped; what devices said is strangers' text.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from cyberalarm.core.outcome import OUTCOMES, WORDS
from cyberalarm.core.schema import event_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cyberalarm.collector.sent import Copy

# A browser is slow beyond; `show-sent N --output jsonl` has them all.
MOST_ROWS = 5_000

# What a row is about first; the fields that are not named here follow under their own names, so that none is left out.
_HEADS = {
    "time": "First",
    "last": "Last",
    "count": "Lines",
    "action": "What became of it",
    "src_ip": "From",
    "src_port": "Port",
    "dst_ip": "To",
    "dst_port": "Port",
    "protocol": "Protocol",
    "direction": "Direction",
    "signature": "Name",
    "threat": "Threat",
    "category": "Category",
    "severity": "Severity",
    "cve": "CVE",
    "sender_domain": "Sender's domain",
    "sensor": "Kind of device",
    "product": "Product",
    "device": "Device",
}
_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #0b0c0c }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0; font-size: .875rem }
th, td { border-bottom: 1px solid #b1b4b6; padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top }
.rows td { white-space: nowrap }
td.number { text-align: right; font-variant-numeric: tabular-nums } caption { text-align: left; font-weight: 700 }
code { overflow-wrap: anywhere }
"""
# The page may load nothing, whatever stands in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(copy: Copy, *, waits: bool) -> str:
    """The page of one bundle; `waits`: the centre has not receipted it yet."""
    state = "It waits to be sent." if waits else "The centre has receipted it."
    rows = list(islice(copy.rows(), MOST_ROWS + 1))
    more = "" if len(rows) <= MOST_ROWS else f"<p>Only the first {MOST_ROWS:,} rows are shown here.</p>"
    return "".join(
        (
            '<!doctype html><html lang="en-GB"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>Bundle {copy.sequence}: what left</title><style>{_STYLE}</style></head><body>",
            f"<h1>Bundle {copy.sequence}: what left this collector</h1>",
            (
                "<p>This is everything that the sealed bundle holds. Nothing else of your logs leaves your network. "
                f"Made {_when(copy.written)}. {state}</p>"
            ),
            (
                f"<p>Envelope: <code>{escape(copy.envelope)}</code> (SHA-256). Unsealed it has {copy.size:,} bytes. "
                "Beside it stand, in the clear, your collector's reference, the bundle's number and times, and how many lines and "
                "rows it is about.</p>"
            ),
            _ledgers(copy),
            _alarms(copy),
            '<div class="rows">',
            _table(
                "Suspicious activity, row by row (times are UTC)",
                [_HEADS.get(n, n) for n in _columns(rows)],
                _cells(rows),
            ),
            "</div>",
            more,
            "</body></html>\n",
        )
    )


def _ledgers(copy: Copy) -> str:
    shown = [o for o in OUTCOMES if any(ledger.outcomes[o] for ledger in copy.payload.ledgers.values())]
    rows = (
        [
            device,
            f"{ledger.received:,}",
            *(f"{ledger.outcomes[o]:,}" for o in shown),
            f"{ledger.recalled:,}",
            f"{ledger.dropped_by_kernel:,}",
        ]
        for device, ledger in sorted(copy.payload.ledgers.items())
    )
    heads = ["Device", "Lines received", *(WORDS[o].name for o in shown), "Sent after all", "Lost before us"]
    meanings = "".join(f"<dt>{WORDS[o].name}</dt><dd>{WORDS[o].meaning}.</dd>" for o in shown)
    return _table("What became of your devices' lines", heads, rows) + f"<dl>{meanings}</dl>"


def _alarms(copy: Copy) -> str:
    told = [asdict(alarm) for alarm in copy.payload.alarms or ()]
    if not told:
        return ""
    return _table("Alarms that stood", list(told[0]), ([str(value) for value in alarm.values()] for alarm in told))


def _columns(rows: Sequence[dict[str, object]]) -> list[str]:
    used = {name for row in rows for name in row}
    return [name for name in dict.fromkeys([*_HEADS, *(field.name for field in event_schema().fields)]) if name in used]


def _cells(rows: Sequence[dict[str, object]]) -> Iterable[list[str]]:
    names = _columns(rows)
    return ([_text(name, row.get(name, "")) for name in names] for row in rows[:MOST_ROWS])


def _text(name: str, value: object) -> str:
    if name in ("time", "last"):
        return str(value).replace("T", " ").removesuffix("Z")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    empty = "" if body else f'<tr><td colspan="{max(len(heads), 1)}">None.</td></tr>'
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}{empty}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    kind = ' class="number"' if text.replace(",", "").isdecimal() else ""
    return f"<td{kind}>{escape(text)}</td>"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %B %Y, %H:%M:%S} UTC"
