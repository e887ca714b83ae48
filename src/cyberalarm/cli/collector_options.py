"""Options that the collector's commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cyberalarm.cli.printing import Output
from cyberalarm.collector import config as configuration

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Configuration file (TOML).")]
OutputOption = Annotated[Output, typer.Option("--output", help="human, json or jsonl")]
_DEFAULT = Path("/etc/cyberalarm/collector.toml")


def chosen(path: Path | None) -> Path | None:
    """The file that is meant: the one that is named, or the one in the usual place; None for the defaults."""
    return _DEFAULT if path is None and _DEFAULT.exists() else path


def load(path: Path | None) -> configuration.CollectorConfig:
    """The configuration in a file, or in the usual place, or the defaults. Raises ConfigurationError."""
    return configuration.load(chosen(path))
