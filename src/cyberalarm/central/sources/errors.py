"""Why a list of sources is not given out. Codes are listed in docs/collector-api.md."""

from __future__ import annotations

from cyberalarm.core.errors import RefusedError


class SourcesUnknownError(RefusedError):
    """The list that is asked for is not the one that is published now."""

    code = "sources-unknown"
