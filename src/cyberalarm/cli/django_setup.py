"""Setting Django up for the commands that need the centre."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cyberalarm.central import config as configuration

if TYPE_CHECKING:
    from pathlib import Path


def set_up(path: Path | None) -> configuration.CentralConfig:
    """Read the centre's configuration and set Django up with it. Raises ConfigurationError."""
    if path is not None:
        os.environ[configuration.ENVIRONMENT] = str(path.resolve())
    configuration.load()  # says what is wrong in our words before Django reads it
    os.environ["DJANGO_SETTINGS_MODULE"] = "cyberalarm.central.settings"
    import django
    from django.conf import settings

    django.setup()
    config: configuration.CentralConfig = settings.CONFIG
    return config
