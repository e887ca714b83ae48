"""What can go wrong while the appliance is set up."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError


class SetupError(CyberAlarmError):
    """An answer, or the file on a set-up disk, cannot be used."""

    code = "setup"


class CommandFailedError(CyberAlarmError):
    """A program of this machine said no. `said` is what it printed."""

    code = "command-failed"

    def __init__(self, said: str) -> None:
        super().__init__(said or "The machine did not say why.")
        self.said = said
