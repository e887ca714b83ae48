"""`cyberalarm collector show-sent`: exactly what left, bundle by bundle."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli.collector_options import ConfigOption, OutputOption, load
from cyberalarm.cli.printing import (
    Output,
    harmless,
    print_document,
    print_json,
    print_jsonl,
    print_rows,
    result_console,
)
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.sent import Copies, Copy

_SHOWN = ("time", "count", "action", "src_ip", "dst_ip", "dst_port", "product", "signature", "threat")
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write the bundle as a page to this file instead.")]


def show_sent(
    bundle: Annotated[int | None, typer.Argument(help="The bundle's number; all are listed when not given.")] = None,
    config: ConfigOption = None,
    html: HtmlOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show what left your network, before it was sealed: every ledger and every row of a bundle.

    With --html and no number, the newest bundle.
    """
    settings = load(config)
    copies = _copies(settings)
    if bundle is None and html is not None:
        bundle = max(copies.sequences(), default=0)
    if bundle is None:
        _list(settings, copies, output)
        return
    copy = copies.read(bundle)
    if html is not None:
        _write_page(settings, copy, html)
        return
    if output is Output.JSONL:
        print_jsonl(copy.rows())
        return
    document = _summary(settings, copy) | {
        "ledgers": {device: ledger.to_json() for device, ledger in copy.payload.ledgers.items()},
        "alarms": [asdict(alarm) for alarm in copy.payload.alarms or ()],
        "events": list(copy.rows()) if output is Output.JSON else [],
    }
    print_document(output, document, lambda: _show(copy))


def _copies(settings: CollectorConfig) -> Copies:
    from cyberalarm.collector import sent
    from cyberalarm.collector.errors import CopyMissingError
    from cyberalarm.collector.identity import local_key

    try:
        key = local_key(settings.data, make=False)
        return sent.Copies(settings.data / sent.FOLDER, key, settings.sent_bytes)
    except FileNotFoundError as error:
        raise CopyMissingError(
            f"Nothing was sent from {settings.data} yet.",
            next_step="`cyberalarm collector doctor` says what is missing. Another folder? Name its configuration with --config.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{settings.data} cannot be read: {error.strerror}.",
            next_step="Run this as the collector's own user, such as: sudo -u cyberalarm cyberalarm collector show-sent",
        ) from error


def _list(settings: CollectorConfig, copies: Copies, output: Output) -> None:
    if output is Output.JSONL:
        print_jsonl(_summary(settings, copies.read(number)) for number in copies.sequences())
        return
    rows = [_summary(settings, copies.read(number)) for number in copies.sequences()]
    if output is Output.JSON:
        print_json(rows)
        return

    def show() -> None:
        from rich.table import Table

        table = Table("Bundle", "Made (UTC)", "Lines", "Rows stand for", "Bytes", "", box=None)
        for row in rows:
            state = "waits to be sent" if row["waits"] else "receipted"
            table.add_row(*(str(row[name]) for name in ("bundle", "made", "lines", "sent", "bytes")), state)
        console = result_console()
        console.print(table)
        console.print(
            f"{len(rows)} bundles. `cyberalarm collector show-sent NUMBER` shows all of one, --html as a page."
        )

    print_rows(output, rows, show)


def _summary(settings: CollectorConfig, copy: Copy) -> dict[str, object]:
    ledgers = copy.payload.ledgers.values()
    return {
        "bundle": copy.sequence,
        "made": f"{datetime.fromtimestamp(copy.written, UTC):%Y-%m-%d %H:%M:%S}",
        "lines": sum(ledger.received for ledger in ledgers),
        "sent": sum(ledger.sent for ledger in ledgers),
        "bytes": copy.size,
        "waits": _waits(settings, copy),
        "envelope": copy.envelope,
    }


def _waits(settings: CollectorConfig, copy: Copy) -> bool:
    from cyberalarm.collector.spool import waits

    return waits(settings.data / "spool", copy.sequence)


def _write_page(settings: CollectorConfig, copy: Copy, html: Path) -> None:
    from cyberalarm.collector.files import write_whole
    from cyberalarm.collector.sent_page import page

    try:
        write_whole(html, page(copy, waits=_waits(settings, copy)).encode())
    except OSError as error:
        raise ConfigurationError(
            f"{html} cannot be written: {error.strerror}.", next_step="Name another file."
        ) from error
    result_console().print(f"Bundle {copy.sequence} is in {html}. Only you may read it; open it in a browser.")


def _show(copy: Copy) -> None:
    from rich.table import Table

    console = result_console()
    for device, ledger in sorted(copy.payload.ledgers.items()):
        counts = ", ".join(f"{count:,} {name}" for name, count in ledger.counts().items() if count)
        console.print(harmless(f"{device}: {counts}"))
    table = Table(*_SHOWN, box=None)
    for row in copy.rows():
        table.add_row(*(harmless(str(row.get(name, ""))) for name in _SHOWN))
    console.print(table)
    console.print("All fields of every row: --output jsonl, or --html FILE.")
