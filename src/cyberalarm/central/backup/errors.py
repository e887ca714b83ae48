"""What backups and restores are refused for."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError, RefusedError


class BackupRefusedError(RefusedError):
    """The backup cannot be begun, or the place for it cannot be used."""

    code = "backup-refused"


class BackupDamagedError(CyberAlarmError):
    """A backup, or a part of it, is not what was written."""

    code = "backup-damaged"


class RestoreRefusedError(RefusedError):
    """Restoring would destroy something, or cannot be done here."""

    code = "restore-refused"
