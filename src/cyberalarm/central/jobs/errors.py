"""What a background job may fail with on its own account."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError


class JobFailedError(CyberAlarmError):
    """Part of a job's work failed; the rest was done, and the job will be tried again."""

    code = "job-failed"
