"""`cyberalarm formats decode|list|explain|lint`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.table import Table

from cyberalarm.cli.printing import Output, print_json, print_jsonl, result_console
from cyberalarm.formats import loader
from cyberalarm.formats.lint import lint as lint_packs

app = typer.Typer(no_args_is_help=True, help="How vendors write: decode lines, list and check packs.")

_PIECE = 4 * 1024 * 1024
OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]


@app.command()
def decode(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of lines; standard input when none is named.")
    ] = None,
    output: OutputOption = Output.JSONL,
    sieve: Annotated[bool, typer.Option("--sieve", help="Also apply the sieve, with default networks.")] = False,
    config: Annotated[Path | None, typer.Option(help="A collector's configuration, for its networks.")] = None,
) -> None:
    """Decode lines: one JSON object for each, in order, with its number, outcome, product and event."""
    del output  # every form of output is one object a line: it is a stream
    decoder = _Decoder(sieve, config)
    for source in files or []:
        with source.open("rb") as lines:
            decoder.stream(lines)
    if not files:
        decoder.stream(sys.stdin.buffer)


class _Decoder:
    """Decodes streams in pieces, so that memory is bounded by the piece."""

    def __init__(self, sieve: bool, config: Path | None) -> None:
        from cyberalarm.collector import config as configuration
        from cyberalarm.collector import sieve as sieves

        settings = configuration.load(config)
        self._kernel = loader.bundled().kernel
        self._offset = settings.utc_offset_s if config else 0
        self._sieve = sieves.build(settings) if sieve else None
        self._line = 1

    def stream(self, lines: BinaryIO) -> None:
        from cyberalarm.collector.receive.chunk import LONGEST_LINE

        rest = b""
        while piece := lines.read(_PIECE):
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                self._write(whole + newline)
            elif len(rest) > LONGEST_LINE:
                rest = self._skip_over_long(rest, lines)
        if rest:
            self._write(rest)

    def _skip_over_long(self, begun: bytes, lines: BinaryIO) -> bytes:
        """Write the over-long line as one overflow, and give what follows its end."""
        self._write(begun[: 128 * 1024] + b"\n")
        while piece := lines.read(_PIECE):
            _, newline, rest = piece.partition(b"\n")
            if newline:
                return rest
        return b""

    def _write(self, whole: bytes) -> None:
        batch = self._kernel.decode(whole, received_ms=int(time.time() * 1000), utc_offset_s=self._offset)
        if self._sieve:
            self._sieve.apply(batch)
        sys.stdout.buffer.write(batch.jsonl(self._line))
        sys.stdout.buffer.flush()
        self._line += batch.lines


@app.command("list")
def list_packs(output: OutputOption = Output.HUMAN) -> None:
    """List the packs: which products are understood, and how they can send."""
    rows = [
        {"name": p.name, "vendor": p.vendor, "product": p.product, "sensor": p.sensor, "transports": list(p.transports)}
        for p in loader.bundled().packs
    ]
    if output is Output.JSON:
        print_json(rows)
    elif output is Output.JSONL:
        print_jsonl(rows)
    else:
        table = Table("Pack", "Vendor", "Product", "Sensor", "Can send by", box=None)
        table.columns[0].no_wrap = True
        for pack in loader.bundled().packs:
            table.add_row(pack.name, pack.vendor, pack.product, pack.sensor, ", ".join(pack.transports))
        result_console().print(table)


@app.command()
def explain(line: str, output: OutputOption = Output.HUMAN) -> None:
    """Show one line's way: header, pack, split, fields."""
    kernel = loader.bundled().kernel
    told = json.loads(kernel.explain(line.encode("utf-8", "surrogateescape"), received_ms=int(time.time() * 1000)))
    if output is not Output.HUMAN:
        print_json(told)
        return
    console = result_console()
    for number, step in enumerate(told["steps"], 1):
        name = step.pop("step")
        console.print(f"{number}. {name}")
        for key, value in step.items():
            console.print(f"     {key}: {json.dumps(value, ensure_ascii=False)}")
    console.print(f"Outcome: {told['outcome']}   Product: {told['product'] or 'none'}")
    if told["event"]:
        for key, value in told["event"].items():
            console.print(f"     {key} = {value}")


@app.command()
def lint(
    files: Annotated[list[Path] | None, typer.Argument(help="Pack files; the bundled ones when none is named.")] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check packs: their shape, their examples, and that no pack takes another's lines. Exit code 1 when something is wrong."""
    extra = tuple(loader.read_pack(path) for path in files or [])
    issues = lint_packs(extra)
    if output is Output.HUMAN:
        console = result_console()
        for issue in issues:
            console.print(str(issue))
        count = len(loader.bundled().packs) + len(extra)
        console.print(f"{count} packs checked, {len(issues)} issues.")
    else:
        print_json([{"pack": i.pack, "where": i.where, "what": i.what} for i in issues])
    raise typer.Exit(1 if issues else 0)
