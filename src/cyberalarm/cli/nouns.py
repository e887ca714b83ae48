"""The nouns of the command line, joined by Typer.

Each noun's module is imported only when it is used, so that a collector starts without Django.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from cyberalarm import __version__
from cyberalarm.cli.printing import log_to_stderr

# noun -> (module, one line for --help)
NOUNS = {
    "collector": ("cyberalarm.cli.collector", "Run a collector on a member's network."),
    "central": ("cyberalarm.cli.central", "Run the centre."),
    "scanner": ("cyberalarm.cli.scanner", "Scan what a member owns, with authority, for known vulnerabilities."),
    "formats": ("cyberalarm.cli.formats", "How vendors write: decode lines, list and check packs."),
    "lab": ("cyberalarm.cli.lab", "Make and play scripted suspicious activity."),
    "demo": ("cyberalarm.cli.demo", "The whole system at work on this machine."),
}
# Logs nothing, and is used in pipelines, where starting should take no time.
SILENT = "formats"


class _LateGroup(TyperGroup):
    """A group whose members are imported when they are asked for."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.commands = dict.fromkeys(NOUNS)  # type: ignore[assignment]  # the names, for suggestions

    def get_command(self, ctx: typer.Context, cmd_name: str) -> object:  # type: ignore[override]  # noqa: ARG002
        if cmd_name not in NOUNS:
            return None
        module, words = NOUNS[cmd_name]
        if cmd_name != SILENT:
            log_to_stderr(logging.WARNING)
        noun: typer.Typer = importlib.import_module(module).app
        # As at the root: help and errors in plain text, and no options about shells.
        noun.rich_markup_mode = None
        noun._add_completion = False  # noqa: SLF001 - Typer has no public way to say it once for all nouns
        command = typer.main.get_command(noun)
        command.help = command.help or words
        command.name = cmd_name
        return command

    def format_commands(self, ctx: typer.Context, formatter: object) -> None:  # type: ignore[override]  # noqa: ARG002
        with formatter.section("Commands"):  # type: ignore[attr-defined]
            formatter.write_dl([(noun, words) for noun, (_, words) in NOUNS.items()])  # type: ignore[attr-defined]


# Typer's own tracebacks show the source around each step; the plain ones are shorter, and never hold values.
app = typer.Typer(
    cls=_LateGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},  # of help, where the terminal is as wide
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"cyberalarm {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """CyberAlarm: collectors, the centre, and the scanner."""
