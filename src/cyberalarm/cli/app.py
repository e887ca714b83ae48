"""Joins the nouns. Each noun's module is imported only when it is used, so that a collector starts without Django."""

from __future__ import annotations

import importlib
import logging
import sys

import typer
from typer.core import TyperGroup

from cyberalarm.cli.printing import log_to_stderr
from cyberalarm.core.errors import CyberAlarmError

# noun -> (module, one line for --help)
_NOUNS = {
    "collector": ("cyberalarm.cli.collector", "Run a collector on a member's network."),
    "central": ("cyberalarm.cli.central", "Run the centre."),
    "scanner": ("cyberalarm.cli.scanner", "Scan what a member owns, with authority, for known vulnerabilities."),
    "formats": ("cyberalarm.cli.formats", "How vendors write: decode lines, list and check packs."),
    "lab": ("cyberalarm.cli.lab", "Make and play scripted suspicious activity."),
    "demo": ("cyberalarm.cli.demo", "The whole system at work on this machine."),
}


class _LateGroup(TyperGroup):
    """A group whose members are imported when they are asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        return list(_NOUNS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> object:  # type: ignore[override]  # noqa: ARG002
        if cmd_name not in _NOUNS:
            return None
        module, words = _NOUNS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.help = command.help or words
        command.name = cmd_name
        return command

    def format_commands(self, ctx: typer.Context, formatter: object) -> None:  # type: ignore[override]  # noqa: ARG002
        with formatter.section("Commands"):  # type: ignore[attr-defined]
            formatter.write_dl([(noun, words) for noun, (_, words) in _NOUNS.items()])  # type: ignore[attr-defined]


app = typer.Typer(cls=_LateGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """CyberAlarm: collectors, the centre, and the scanner."""


def main() -> None:
    """The program's entry. Errors of ours end it with their words and exit code 1, never with a traceback."""
    log_to_stderr(logging.WARNING)
    try:
        app()
    except CyberAlarmError as error:
        sys.stderr.write(f"{error.what}\n")
        if error.next_step:
            sys.stderr.write(f"{error.next_step}\n")
        sys.stderr.write(f"(code: {error.code})\n")
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
