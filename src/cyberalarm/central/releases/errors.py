"""Why a pack release is not given out. Codes are listed in docs/collector-api.md."""

from __future__ import annotations

from cyberalarm.core.errors import RefusedError


class ReleaseUnknownError(RefusedError):
    """The release that is asked for is not the one that is published now."""

    code = "release-unknown"
