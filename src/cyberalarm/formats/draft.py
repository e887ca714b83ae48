"""Starts a pack from sample lines: guesses the syntax, proposes which key fills which field, and shows what comes of it.

A proposal for a person to check, never a finished pack: only names that say plainly what they hold are used. Addresses in the
samples are replaced by ones for documentation, the same one always by the same; other texts in them are as they were, and whoever
publishes the pack must look at them.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

from cyberalarm.formats import loader
from cyberalarm.formats.draft_shapes import Shape, shape_of
from cyberalarm.formats.library import bundled
from cyberalarm.formats.lint import REFERENCE_MS
from cyberalarm.formats.pack import Pack
from cyberalarm.formats.samples import Documentary

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SAMPLES = 500
MOST_EXAMPLES = 6

# What products call these things, most certain first. A key counts in any case, whole or behind its last full stop.
KEYS: dict[str, tuple[str, ...]] = {
    "time": ("eventtime", "timestamp", "@timestamp", "datetime", "devtime", "rt", "time"),
    "src_ip": (
        "srcip",
        "src_ip",
        "source_ip",
        "sourceip",
        "src",
        "sourceaddress",
        "client_ip",
        "clientip",
        "c-ip",
        "remote_addr",
    ),
    "src_port": ("srcport", "src_port", "source_port", "sourceport", "spt", "sport", "s_port", "client_port"),
    "dst_ip": ("dstip", "dst_ip", "dest_ip", "destination_ip", "destinationip", "dst", "destinationaddress", "s-ip"),
    "dst_port": ("dstport", "dst_port", "dest_port", "destination_port", "destinationport", "dpt", "dport", "d_port"),
    "protocol": ("proto", "protocol", "ip_protocol", "transport"),
    "action": ("action", "act", "verdict", "disposition", "decision"),
    "bytes_in": ("sentbyte", "bytes_sent", "sent_bytes"),
    "bytes_out": ("rcvdbyte", "bytes_received", "rcvd_bytes"),
    "signature": ("signature", "attack", "attackname", "rule_name", "threat_name"),
    "signature_id": ("signature_id", "sid", "attackid", "threatid"),
    "cve": ("cve", "cves", "cve_id"),
    "threat": ("virus", "virusname", "malware"),
    "file_sha256": ("sha256", "filesha256"),
}
ACTIONS = {
    "blocked": ("deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected", "reset", "quarantined"),
    "allowed": ("allow", "allowed", "accept", "accepted", "pass", "passed", "permit", "permitted"),
    "detected": ("alert", "detect", "detected", "monitor"),
}


def draft(lines: Iterable[str], name: str) -> str:
    """A pack's TOML, proposed from sample lines. Raises PackError when there are none, or no shape is found."""
    documentary = Documentary()
    samples = [documentary.line(line.rstrip("\r\n")) for line in lines if line.strip()][:MOST_SAMPLES]
    if not samples:
        raise loader.PackError(
            "There are no lines in the file.", next_step="Give a file with some lines of the device."
        )
    shape = shape_of([_body(line) for line in samples])
    if shape is None:
        raise loader.PackError(
            "These lines have no form that can be guessed.", next_step="Write the pack by hand: docs/packs.md says how."
        )
    text = _pack(name, shape)
    return text + _examples(text, samples)


def _body(line: str) -> str:
    """The message behind the last header."""
    raw = line.encode()
    steps = json.loads(bundled().kernel.explain(raw, received_ms=REFERENCE_MS))["steps"]
    starts = steps[0]["message_may_begin_at"]
    return raw[starts[-1] :].decode(errors="replace") if starts else line


def _pack(name: str, shape: Shape) -> str:
    vendor, _, product = name.partition("-")
    fields = _fields(shape)
    head = [
        f"name = {json.dumps(name)}",
        f"vendor = {json.dumps(vendor.capitalize())}  # check",
        f"product = {json.dumps((product or vendor).replace('-', ' ').capitalize())}  # check",
        "version = 1",
        'sensor = "firewall"  # or ids, antivirus, antispam',
        'summary = "Say what is understood, in a sentence."',
        'transports = ["udp"]  # udp, tcp, tls, file',
        'setup = "Say what to do on the device, for somebody who has never done it."',
    ]
    if "map" in fields.get("action", ""):
        words = [f"{word} = {json.dumps(action)}" for action, some in ACTIONS.items() for word in some]
        head += ["", "[maps.action]", *words]
    line = [
        "",
        "[[line]]",
        'name = "lines"',
        *shape.head,
        "",
        "[[line.kind]]",
        'name = "traffic"  # further kinds need a `when`',
    ]
    return (
        "\n".join([*head, *line, "[line.kind.fields]", *(f"{key} = {value}" for key, value in fields.items())]) + "\n"
    )


def _fields(shape: Shape) -> dict[str, str]:
    """Which slot fills which field, as TOML."""
    found: dict[str, str] = {}
    for target, names in KEYS.items():
        for wanted in names:
            key = next((k for k in shape.keys if wanted in _names(k.lower())), None)
            if key is not None:
                found[target] = json.dumps(key)
                break
    if "action" in found:
        found["action"] = f'{{ from = {found["action"]}, map = "action", default = "unknown" }}'
    elif shape.action:
        found["action"] = f"{{ value = {json.dumps(shape.action)} }}"
    return found


def _names(key: str) -> set[str]:
    """`source.ip` may be meant by `source_ip`, and `event.action` by `action`."""
    return {key, key.rpartition(".")[2], key.replace(".", "_")}


def _examples(text: str, samples: list[str]) -> str:
    """What the proposal makes of the first samples of each outcome; the person checks it."""
    placeholder = '\n[[example]]\nline = "x"\noutcome = "noise"\n'
    pack = Pack.model_validate(tomllib.loads(text + placeholder))
    kernel = loader.build((pack,)).kernel
    parts: list[str] = []
    missed = 0
    for sample in samples:
        got = json.loads(kernel.decode(sample.encode(), received_ms=REFERENCE_MS).jsonl(1))
        if got.get("product") is None or got["outcome"] != "kept":
            missed += 1
        elif len(parts) < MOST_EXAMPLES:
            event = ", ".join(f"{key} = {json.dumps(value)}" for key, value in got["event"].items())
            parts.append(f'\n[[example]]\nline = {_literal(sample)}\noutcome = "kept"\nevent = {{ {event} }}\n')
    note = f"\n# {len(samples) - missed} of {len(samples)} sample lines are read by this proposal.\n"
    return note + ("".join(parts) or f'\n[[example]]\nline = {_literal(samples[0])}\noutcome = "kept"\n')


def _literal(text: str) -> str:
    return f"'''{text}'''" if "'''" not in text and not text.endswith("'") else json.dumps(text)
