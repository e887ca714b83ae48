"""What the kernel needs to know of the event schema.

It stands apart from the loader, whose models take long to load and which a running collector does not need.
"""

from __future__ import annotations

from cyberalarm.core.schema import event_schema


def schema_spec() -> dict[str, object]:
    """What the kernel, and its sieve, need to know of the event schema."""
    schema = event_schema()
    enums: dict[str, object] = {
        name: schema.field(name).values for name in ("sensor", "action", "direction", "evidence", "category")
    }
    texts = ("signature_id", "signature", "threat", "sender_domain")
    limits = {f"max_{name}": schema.field(name).max_bytes for name in texts}
    return {**enums, **limits, "max_cves": schema.field("cve").max_items}
