"""Reads packs and hands them to the kernel.

A pack that cannot be read is refused as a whole, with its file and key; the bundled packs are tested never to be.
"""

from __future__ import annotations

import json
import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cyberalarm._kernel import Packs
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.schema import event_schema
from cyberalarm.formats.kernel_schema import schema_spec
from cyberalarm.formats.library import Library
from cyberalarm.formats.pack import Condition, Conditions, FieldSource, FieldTable, Kind, Line, Pack, Slots, Test

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path


class PackError(ConfigurationError):
    """A pack file is wrong."""

    code = "pack-invalid"


def read_pack(source: Traversable | Path, *, alone: bool = True) -> Pack:
    """Read one pack file. Raises PackError naming file and key.

    Not `alone`: the kernel is asked about all packs together afterwards, so it need not be asked about this one.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise PackError(f"{source.name}: cannot be read: {error}.") from error
    return parse_pack(source.name, content, alone=alone)


def parse_pack(name: str, content: bytes, *, alone: bool = True) -> Pack:
    """Understand a pack's TOML, whatever the bytes. Raises PackError naming the file (`name`) and key."""
    try:
        table = tomllib.loads(content.decode("utf-8").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise PackError(f"{name}: cannot be read: {error}.") from error
    except RecursionError as error:
        raise PackError(f"{name}: not valid TOML: nested too deeply.") from error
    except ValueError as error:  # also what Python does not take for a number
        raise PackError(f"{name}: not valid TOML: {error}.") from error
    try:
        pack = Pack.model_validate(table)
    except ValidationError as error:
        key, what = _telling(error)
        raise PackError(f"{name}: key {key!r}: {what}.", next_step="See docs/packs.md.") from error
    if not alone:
        return pack
    try:
        build((pack,))  # what only the kernel can tell, while the file's name is still known
    except PackError as error:
        raise PackError(f"{name}: {error.what}", next_step=error.next_step) from error
    return pack


# Where a key may be written in several ways, pydantic complains once for each way that was not taken, and names the way.
_WAYS = re.compile(r"constrained-str|bool|str|list\[.*|dict\[.*|function-after\[.*|FieldSource|Test")
_TELLING = ("value_error", "extra_forbidden", "missing", "literal_error")


def _telling(error: ValidationError) -> tuple[str, str]:
    """Key and words of the complaint that says most."""
    complaints = error.errors()
    best = next((c for kind in _TELLING for c in complaints if c["type"] == kind), complaints[0])
    key = ".".join(str(part) for part in best["loc"] if not _WAYS.fullmatch(str(part)))
    return key, best["msg"].removeprefix("Value error, ")


def build(packs: tuple[Pack, ...]) -> Library:
    """Hand packs to the kernel. Raises PackError naming pack, line and kind."""
    try:
        return Library(Packs(kernel_text(packs)), lambda: packs)
    except ValueError as error:
        raise PackError(f"{error}.", next_step="See docs/packs.md.") from error


def kernel_text(packs: tuple[Pack, ...]) -> str:
    """Packs as the kernel takes them. Raises PackError."""
    names = [pack.name for pack in packs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PackError(f"There are two packs of the name {twice[0]!r}.", next_step="Rename one of them.")
    return json.dumps({"schema": schema_spec(), "packs": [_pack_spec(p) for p in in_order(packs)]})


def in_order(packs: tuple[Pack, ...]) -> list[Pack]:
    """Packs as the kernel tries them: common ones first, else as they come, but each before those that it is `over`.

    Raises PackError for a circle.
    """
    named = {pack.name: pack for pack in sorted(packs, key=lambda pack: not pack.common)}
    earlier: dict[str, list[str]] = {name: [] for name in named}
    for pack in packs:
        for name in pack.over:
            earlier.setdefault(name, []).append(pack.name)
    try:
        return [named[name] for name in TopologicalSorter(earlier).static_order() if name in named]
    except CycleError as error:
        circle = ", ".join(error.args[1])
        raise PackError(f"Packs are `over` each other: {circle}.", next_step="Take one of them out.") from error


def _pack_spec(pack: Pack) -> dict[str, object]:
    lines = [_line_spec(pack, line) for line in pack.line]
    return {"name": pack.name, "sensor": pack.sensor, "fallback": pack.fallback, "lines": lines}


def _line_spec(pack: Pack, line: Line) -> dict[str, object]:
    return {
        "name": line.name,
        "syntax": line.syntax,
        "begins": line.begins,
        "contains": [[group] if isinstance(group, str) else group for group in line.contains],
        "programs": line.programs,
        "programs_only": line.programs_only,
        "locate": line.locate,
        "last_may_be_cut": line.last_may_be_cut,
        "once": line.once,
        "kv": line.kv.model_dump(),
        "csv": line.csv.model_dump(),
        "columns": line.columns,
        "templates": line.templates,
        "kinds": [_kind_spec(pack, line, kind, when) for kind in line.kind for when in _alternative_conditions(kind)],
    }


# Without these a line of that sensor says nothing.
_ALWAYS = {"firewall": ["src_ip"], "ids": ["src_ip"], "antivirus": ["threat"], "antispam": []}


def _alternative_conditions(kind: Kind) -> list[Conditions]:
    """A kind applies when all conditions of one of these hold."""
    return kind.when if isinstance(kind.when, list) else [kind.when]


def _kind_spec(pack: Pack, line: Line, kind: Kind, when: Conditions) -> dict[str, object]:
    fields: FieldTable = {} if kind.noise else {**line.fields, **kind.fields}
    where = f"pack {pack.name!r}, line {line.name!r}, kind {kind.name!r}"
    known = {f.name for f in event_schema().fields}
    for target in (*fields, *(kind.require or ())):
        if target not in known or target in {"last", "count", "sensor", "product", "device"}:
            raise PackError(f"{where}: a pack cannot fill a field {target!r}.", next_step="See docs/events.md.")
    require = _ALWAYS[kind.sensor or pack.sensor] if kind.require is None else kind.require
    return {
        "name": kind.name,
        "noise": kind.noise,
        "again": kind.again,
        "sensor": kind.sensor,
        "when": [spec for slot, test in when.items() for spec in _condition_specs(slot, test)],
        "columns": kind.columns,
        "require": [] if kind.noise else require,
        "fields": [spec for target, source in fields.items() for spec in _field_specs(pack, where, target, source)],
    }


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _condition_specs(slot: str, condition: Condition) -> list[dict[str, object]]:
    match condition:
        case bool():
            return [{"slot": slot, "test": "present" if condition else "absent"}]
        case Test():
            given = condition.model_dump(by_alias=True, exclude_none=True)
            return [{"slot": slot, "test": test, "values": _texts(wanted)} for test, wanted in given.items()]
        case _:
            return [{"slot": slot, "test": "equals", "values": _as_list(condition)}]


def _texts(wanted: str | float | list[str]) -> list[str]:
    return [str(wanted)] if isinstance(wanted, float) else _as_list(wanted)


def _alternatives(slots: Slots) -> list[list[str]]:
    if isinstance(slots, str):
        return [[slots]]
    return [[one] if isinstance(one, str) else one for one in slots]


def _field_specs(pack: Pack, where: str, target: str, source: Slots | FieldSource) -> list[dict[str, object]]:
    if not isinstance(source, FieldSource):
        source = FieldSource.model_validate({"from": source})
    table = source.map
    if isinstance(table, str):
        if table not in pack.maps:
            raise PackError(f"{where}: field {target!r}: there is no table {table!r} under [maps].")
        table = pack.maps[table]
    alternatives = _alternatives(source.from_)
    common: dict[str, object] = {
        "target": target,
        "after": source.after,
        "after_last": source.after_last,
        "before": source.before,
        "before_last": source.before_last,
        "strip": source.strip,
        "part": source.part,
        "order": source.order,
        "utc": source.zone == "utc",
        "map": table,
        "contains": source.contains,
        "default": source.default if source.value is None else source.value,
    }
    if target in {"cve", "packets"}:
        # CVE numbers are gathered, and packets summed, from every place that is named.
        return [{**common, "from": [one]} for one in alternatives]
    return [{**common, "from": alternatives}]
