"""`cyberalarm collector trusted`: the member's own list, and the known sources with what is applied of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cyberalarm.cli.printing import Output, print_rows, result_console

if TYPE_CHECKING:
    from cyberalarm.collector.trusted import Trusted

_DEFAULT = Path("/etc/cyberalarm/collector.toml")


def show_trusted(
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file (TOML).")] = None,
    output: Annotated[Output, typer.Option("--output", help="human, json or jsonl")] = Output.HUMAN,
) -> None:
    """List trusted sources and known ones: search engines, research scanners, monitors. Known ones are applied only if chosen."""
    from cyberalarm.collector import config as configuration
    from cyberalarm.collector.trusted import listed

    path = _DEFAULT if config is None and _DEFAULT.exists() else config
    rows = listed(configuration.load(path))
    print_rows(output, [_document(row) for row in rows], lambda: _show(rows))


def _document(row: Trusted) -> dict[str, object]:
    dates = {key: value.isoformat() if value else "" for key, value in (("dated", row.dated), ("checked", row.checked))}
    return {**asdict(row), **dates}


def _show(rows: list[Trusted]) -> None:
    from cyberalarm.collector.trusted import OWN

    table = Table("Name", "Kind", "Applied", "Seen", "As of", "Who", box=None)
    for column in table.columns[:5]:
        column.no_wrap = True
    for row in rows:
        last = f" {datetime.fromtimestamp(row.last_seen).astimezone():%d %b %H:%M}" if row.last_seen else ""
        as_of = "" if row.kind == OWN else str(row.dated or "not dated")
        seen = f"{row.seen:,}{last}" if row.seen else ""
        table.add_row(
            row.name, row.kind, "yes" if row.applied else "no", seen, as_of, f"{row.title}: {row.does}".strip(": ")
        )
    console = result_console()
    console.print(table)
    console.print(
        "Seen: lines among those looked into since the collector started. To leave out what is blocked of a known source, write its"
        ' name or kind into networks.known of the configuration, such as known = ["research"].'
    )
