"""What can go wrong with the record of privileged acts."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError


class AppendOnlyError(CyberAlarmError):
    """Somebody tried to change or remove a row."""

    code = "audit-append-only"


class ChainBrokenError(CyberAlarmError):
    """A row was changed, removed or put in behind the program's back."""

    code = "audit-chain-broken"
