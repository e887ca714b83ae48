"""The event's table as Markdown, made from `core/schema.toml`. `python -m tests.architecture.event_table` prints it."""

from __future__ import annotations

from cyberalarm.core.schema import Field, FieldType, event_schema

_COLUMNS = ("field", "type", "meaning", "may be empty", "seen by")
_SEES = {"member": "member and police", "police": "police", "centre": "the centre's operators"}
_TYPES = {
    FieldType.TIME: "time",
    FieldType.NAME: "name",
    FieldType.TEXT: "text",
    FieldType.TEXTS: "list of text",
    FieldType.ADDRESS: "address",
    FieldType.SHA256: "32 bytes",
}


def rows() -> list[str]:
    """The table's lines, header first."""
    head = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    return head + ["| " + " | ".join(_cells(field)) + " |" for field in event_schema().fields]


def _cells(field: Field) -> tuple[str, ...]:
    kind = ", ".join(f"`{value}`" for value in field.values) or _TYPES.get(field.type, str(field.type))
    if field.max_items:
        kind += f", at most {field.max_items}"
    if field.max_bytes:
        kind += f", each to {field.max_bytes} bytes" if field.max_items else f", to {field.max_bytes} bytes"
    meaning = f"{field.meaning} ({field.unit})" if field.unit else field.meaning
    return f"`{field.name}`", kind, meaning, "yes" if field.nullable else "", _SEES[field.sees]


if __name__ == "__main__":
    print("\n".join(rows()))
