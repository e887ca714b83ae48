"""`cyberalarm central check`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cyberalarm.cli.printing import ExitCode, Output, harmless, print_rows, result_console


def check(
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file (TOML).")] = None,
    output: Annotated[Output, typer.Option("--output", help="human, json or jsonl")] = Output.HUMAN,
) -> None:
    """Check the configuration without starting anything: all mistakes at once. Exit code 1 for mistakes, 4 for warnings only."""
    from cyberalarm.central import checking
    from cyberalarm.central.config import ENVIRONMENT

    named = config or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    remarks = checking.check(named)

    def show() -> None:
        console = result_console()
        for one in remarks:
            place = f"{named or 'configuration'}{f':{one.line}' if one.line else ''}{f' {one.key}' if one.key else ''}"
            console.print(harmless(f"{one.severity:8} {place}: {one.what}\n         → {one.next_step}"))
        if not remarks:
            console.print("The configuration is good.")

    print_rows(output, [asdict(one) for one in remarks], show)
    if any(one.severity is checking.Severity.MISTAKE for one in remarks):
        raise typer.Exit(ExitCode.FAILED)
    raise typer.Exit(ExitCode.INCOMPLETE if remarks else ExitCode.DONE)
