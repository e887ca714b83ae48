"""Does an envelope continue its collector's chain?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.central.ingest.errors import ChainForkedError, ChainGapError, EnvelopeReplayedError

if TYPE_CHECKING:
    from cyberalarm.envelope.sealing import Header


def check_chain(header: Header, sequence: int, head: str) -> None:
    """Raises unless the header follows the envelope with this sequence and digest.

    ChainGapError: it is ahead. EnvelopeReplayedError: its number is taken. ChainForkedError: it follows
    another one.
    """
    expected = sequence + 1
    if header.sequence > expected:
        raise ChainGapError(expected)
    if header.sequence < expected:
        raise EnvelopeReplayedError(expected)
    if header.previous != head:
        raise ChainForkedError(expected)
