"""`cyberalarm formats decode|list|explain|lint`: how vendors write, without a collector or a centre."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cyberalarm.cli import releases
from cyberalarm.cli.printing import ExitCode, Output, print_document, print_error, print_rows, result_console
from cyberalarm.formats.library import bundled, compile_bundled

if TYPE_CHECKING:
    from cyberalarm._kernel import Sieve
    from cyberalarm.formats.pack import Pack

app = typer.Typer(no_args_is_help=True, help="How vendors write: decode lines, list and check packs.")

app.add_typer(releases.app, name="release")

_PIECE = 4 * 1024 * 1024
OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]


@app.command()
def decode(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files of lines; standard input for -, or when none is named.",
            exists=True,
            dir_okay=False,
            allow_dash=True,
        ),
    ] = None,
    output: OutputOption = Output.JSONL,
    sieve: Annotated[bool, typer.Option("--sieve", help="Also apply the sieve, with default networks.")] = False,
    config: Annotated[Path | None, typer.Option(help="A collector's configuration, for its networks.")] = None,
) -> None:
    """Decode lines: one JSON object for each, in order, with its number, outcome, product and event."""
    decoder = _Decoder(sieve, config, _Rows(output))
    for source in files or [Path("-")]:
        if source == Path("-"):
            decoder.stream(sys.stdin.buffer)
        else:
            with source.open("rb") as lines:
                decoder.stream(lines)
    decoder.finish()


class _Rows:
    """Writes decoded rows as they come, in one of the forms of output; `end` closes the form."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._begun = False

    def write(self, jsonl: bytes) -> None:
        out = sys.stdout.buffer
        if self._output is Output.JSONL:
            out.write(jsonl)
        else:
            for row in jsonl.splitlines():
                out.write(self._person(row) if self._output is Output.HUMAN else self._element(row))
        out.flush()

    def end(self) -> None:
        if self._output is Output.JSON:
            sys.stdout.buffer.write(b"\n]\n" if self._begun else b"[]\n")
            sys.stdout.buffer.flush()

    def _element(self, row: bytes) -> bytes:
        before = b",\n" if self._begun else b"[\n"
        self._begun = True
        return before + row

    def _person(self, row: bytes) -> bytes:
        told = json.loads(row)
        fields = "  ".join(
            f"{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in told.get("event", {}).items()
        )
        return f"{told['line']:>7}  {told['outcome']:12}  {told.get('product', '')}  {fields}".rstrip().encode() + b"\n"


class _Decoder:
    """Decodes streams in pieces, so that memory is bounded by the piece."""

    def __init__(self, sieve: bool, config: Path | None, rows: _Rows) -> None:
        self._kernel = bundled().kernel
        self._offset = 0
        self._sieve: Sieve | None = None
        if sieve or config:
            # Only here: plain decoding starts sooner without them.
            from cyberalarm.collector import config as configuration
            from cyberalarm.collector import sieve as sieves

            settings = configuration.load(config)
            self._offset = settings.utc_offset_s if config else 0
            self._sieve = sieves.build(settings) if sieve else None
        self._rows = rows
        self._line = 1

    def finish(self) -> None:
        self._rows.end()

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
        self._rows.write(batch.jsonl(self._line))
        self._line += batch.lines


@app.command("list")
def list_packs(output: OutputOption = Output.HUMAN) -> None:
    """List the packs: which products are understood, and how they can send."""
    rows = [
        {"name": p.name, "vendor": p.vendor, "product": p.product, "sensor": p.sensor, "transports": list(p.transports)}
        for p in bundled().packs
    ]
    print_rows(output, rows, _show_packs)


def _show_packs() -> None:
    from rich.table import Table

    table = Table("Pack", "Vendor", "Product", "Sensor", "Can send by", box=None)
    table.columns[0].no_wrap = True
    for pack in bundled().packs:
        table.add_row(pack.name, pack.vendor, pack.product, pack.sensor, ", ".join(pack.transports))
    result_console().print(table)


@app.command()
def explain(
    line: Annotated[str, typer.Argument(help="One line as the device sent it; quote it.")],
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show one line's way: header, pack, split, fields."""
    kernel = bundled().kernel
    told = json.loads(kernel.explain(line.encode("utf-8", "surrogateescape"), received_ms=int(time.time() * 1000)))

    def show() -> None:
        console = result_console()
        for number, step in enumerate(told["steps"], 1):
            console.print(f"{number}. {step['step']}")
            for key, value in step.items():
                if key != "step":
                    console.print(f"     {key}: {json.dumps(value, ensure_ascii=False)}")
        console.print(f"Outcome: {told['outcome']}   Product: {told['product'] or 'none'}")
        for key, value in (told["event"] or {}).items():
            console.print(f"     {key} = {value}")

    print_document(output, told, show)


@app.command("compile")
def compile_packs() -> None:
    """Make the form of the packs that loads in a moment: for installers, where the service may not write beside its code."""
    made = compile_bundled()
    result_console().print(f"{made.name}: {made.stat().st_size:,} bytes")


@app.command()
def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Pack files; the bundled ones when none is named.", exists=True, dir_okay=False),
    ] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check packs: their shape, their examples, and that no pack takes another's lines. Exit code 1 when something is wrong."""
    from cyberalarm.formats.lint import lint as lint_packs

    extra, unreadable = _read_packs(files or [])
    issues = lint_packs(extra)

    def show() -> None:
        console = result_console()
        for issue in issues:
            console.print(str(issue))
        count = len(bundled().packs) + len(extra)
        unread = f" {unreadable} could not be read." if unreadable else ""
        console.print(f"{count} packs checked, {len(issues)} issues.{unread}")

    print_rows(output, [{"pack": i.pack, "where": i.where, "what": i.what} for i in issues], show)
    raise typer.Exit(ExitCode.FAILED if issues or unreadable else ExitCode.DONE)


def _read_packs(files: list[Path]) -> tuple[tuple[Pack, ...], int]:
    """The packs of those files that can be read, and how many cannot; says on stderr what is wrong with each."""
    from cyberalarm.formats.loader import PackError, read_pack

    packs = []
    for path in files:
        try:
            packs.append(read_pack(path))
        except PackError as error:
            print_error(error)
    return tuple(packs), len(files) - len(packs)


@app.command()
def guide(
    name: Annotated[str | None, typer.Argument(help="A pack, as `formats list` names it.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Write the pages of all products here instead.")] = None,
) -> None:
    """How to make a device send its logs here, what can go wrong, and which of its messages are understood, as Markdown."""
    from cyberalarm.formats import guide as pages

    library = bundled()
    if folder is None:
        result_console().print(pages.page(library.pack(name or "")), markup=False, highlight=False, soft_wrap=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for pack in library.packs:
        (folder / f"{pack.name}.md").write_text(pages.page(pack), encoding="utf-8")
    (folder / "README.md").write_text(pages.index(library.packs), encoding="utf-8")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="A file of sample lines of one device.", exists=True, dir_okay=False)],
    name: Annotated[str, typer.Option(help="The pack's name, vendor-product in small letters.")],
    to: Annotated[Path | None, typer.Option(help="Where to write it; else it is printed.")] = None,
) -> None:
    """Start a pack from sample lines: guesses the syntax, proposes the mapping, and replaces addresses in the examples."""
    from cyberalarm.formats.draft import draft

    with file.open(encoding="utf-8", errors="replace") as lines:
        text = draft(lines, name)
    if to is None:
        result_console().print(text, markup=False, highlight=False, soft_wrap=True)
        return
    with to.open("x", encoding="utf-8") as target:
        target.write(text)
