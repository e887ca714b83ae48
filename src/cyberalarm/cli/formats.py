"""`cyberalarm formats decode|list|explain|lint`: how vendors write, without a collector or a centre."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cyberalarm.cli import decoding, releases
from cyberalarm.cli.printing import ExitCode, Output, print_document, print_error, print_rows, result_console
from cyberalarm.formats.library import bundled, compile_bundled

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Pack

app = typer.Typer(no_args_is_help=True, help="How vendors write: decode lines, list and check packs.")

app.add_typer(releases.app, name="release")

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
            path_type=str,  # Typer 0.29 knows a - only as a text
        ),
    ] = None,
    output: OutputOption = Output.JSONL,
    sieve: Annotated[bool, typer.Option("--sieve", help="Also apply the sieve, with default networks.")] = False,
    config: Annotated[Path | None, typer.Option(help="A collector's configuration, for its networks.")] = None,
) -> None:
    """Decode lines: one JSON object for each, in order, with its number, outcome, product and event."""
    decoding.decode(decoding.Wanted([Path(file) for file in files or []], output, sieve, config))


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
