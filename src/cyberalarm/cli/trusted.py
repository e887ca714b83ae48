"""`cyberalarm collector trusted`: the member's own list, and the known sources with what is applied of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from rich.table import Table

from cyberalarm.cli.collector_options import ConfigOption, OutputOption, load
from cyberalarm.cli.printing import Output, print_rows, result_console

if TYPE_CHECKING:
    from cyberalarm.collector.trusted import Trusted


def show_trusted(
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """List trusted sources and known ones: search engines, research scanners, monitors. Known ones are applied only if chosen."""
    from cyberalarm.collector.trusted import listed

    rows = listed(load(config))
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
