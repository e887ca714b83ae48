"""Setting Django up for the commands that need the centre."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cyberalarm.central import config as configuration
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def set_up(path: Path | None, *, fresh: bool = False) -> configuration.CentralConfig:
    """Read the centre's configuration and set Django up with it.

    Only `fresh` commands may begin an empty data folder: any other would quietly work on a centre that nobody serves. Raises
    ConfigurationError.
    """
    if path is not None:
        os.environ[configuration.ENVIRONMENT] = str(path.resolve())
    wanted = configuration.load()  # says what is wrong in our words before Django reads it
    if not fresh and not wanted.database.is_server and not (wanted.data / "central.sqlite3").exists():
        raise ConfigurationError(
            f"There is no centre in {wanted.data}.",
            next_step="Name its configuration with --config, or start it first: cyberalarm central serve.",
        )
    os.environ["DJANGO_SETTINGS_MODULE"] = "cyberalarm.central.settings"
    import django
    from django.conf import settings

    django.setup()
    config: configuration.CentralConfig = settings.CONFIG
    return config
