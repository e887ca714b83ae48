"""Why an envelope was not taken. Codes are listed in docs/collector-api.md."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError, RefusedError


class ChainGapError(RefusedError):
    """An envelope came too early: one before it is missing."""

    code = "chain-gap"

    def __init__(self, expected: int) -> None:
        super().__init__(
            f"The next envelope of this collector must have sequence {expected}.",
            next_step=f"Send envelope {expected} first, then the ones after it.",
        )
        self.expected = expected


class ChainForkedError(RefusedError):
    """An envelope has the right number, but does not follow the one that we hold."""

    code = "chain-forked"

    def __init__(self, expected: int) -> None:
        super().__init__(
            "The envelope does not follow the last one that was stored.",
            next_step="Ask for the status, and seal the bundle again after the envelope that it names.",
        )
        self.expected = expected


class EnvelopeReplayedError(RefusedError):
    """An envelope has a number that another envelope of the collector already has."""

    code = "envelope-replayed"

    def __init__(self, expected: int) -> None:
        super().__init__(
            "Another envelope with this sequence is stored already.",
            next_step="Ask for the status, and seal the bundle again with the sequence that it names.",
        )
        self.expected = expected


class BundleRefusedError(RefusedError):
    """What was in the envelope is not a lawful bundle; sending it again will not help."""

    code = "events-schema"

    def __init__(self, what: str, code: str) -> None:
        super().__init__(
            what,
            next_step="Put the bundle aside, update the collector, and report this if it goes on.",
            code=code,
        )


class BusyError(CyberAlarmError):
    """The centre has as many envelopes in hand as it can; sending later will help."""

    code = "busy"


class StoreUnavailableError(CyberAlarmError):
    """Storing failed on our side; nothing was acknowledged, and sending again later is right."""

    code = "store-unavailable"


class OriginalLostError(CyberAlarmError):
    """A kept original is gone or damaged. For the centre's log only."""

    code = "original-lost"


class NotHeldError(RefusedError):
    """Somebody decided about what is not put aside any more. For people, never for collectors."""

    code = "quarantine-decided"
