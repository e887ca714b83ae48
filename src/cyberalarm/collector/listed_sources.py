"""The centre's list of sources seen across its network: fetched, verified, kept, used until it expires.

Invariants
- Nothing is used that the centre's receipt key has not signed; signature and expiry are looked at again at each start.
- A list that is refused changes nothing: the one in use stays until it expires, and code and words are in `note`.
- A list that has expired is not used, reachable centre or not. Without a list the sieve works by what it saw itself.
- The file is put in place whole. A kill at any point leaves the list of before, or the new one.

What the list is for is the sieve's affair (`sieve_rules.toml`): it only ever makes the collector keep more of what was let in.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector import identity as identities
from cyberalarm.collector.errors import NotEnrolledError
from cyberalarm.collector.files import write_durably
from cyberalarm.collector.state import SourcesNote
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError, NotReachableError, RefusedError
from cyberalarm.envelope import source_list
from cyberalarm.envelope.errors import SourceListMalformed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.envelope.documents import Offer
    from cyberalarm.envelope.keys import VerifyKey
    from cyberalarm.envelope.source_list import SourceList

log = structlog.get_logger(__name__)

FILE = "sources"
REFUSED_SECONDS = 3600.0  # until a list that was refused is looked at again

# First and last address of each run, 32 hexadecimal digits each, as the kernel's sieve takes them.
Ranges = list[tuple[str, str]]


class ListedSources:
    """`note` says which list is in use, for people. `keys` are those that the centre may sign with."""

    def __init__(self, data: Path, keys: Sequence[VerifyKey], *, clock: Callable[[], float] = time.time) -> None:
        self._path = data / FILE
        self.keys = keys
        self._clock = clock
        self._used = ""  # digest of the list in use
        self._refused: tuple[Offer, float] | None = None  # and when
        self.note = SourcesNote()

    def load(self) -> Ranges:
        """What to begin with: the last good list, if it still holds."""
        try:
            raw = self._path.read_bytes()
            listed = source_list.read(raw, *self.keys)
        except FileNotFoundError:
            return []
        except (RefusedError, OSError) as error:
            self._refuse(_as_refusal(error))
            return []
        if self._expired(listed.expires):
            return []
        return self._use(raw, listed)

    def follow(self, offer: Offer | None, fetch: Callable[[Offer], bytes]) -> Ranges | None:
        """Do as the centre's status says; gives what to use from now on, or None where nothing changes."""
        if offer is None:
            return self._drop()
        if offer.sha256 == self._used:
            self.note = self.note.model_copy(update={"refused_code": "", "refused": ""})
            return None
        if self._refused and self._refused[0] == offer and time.monotonic() - self._refused[1] < REFUSED_SECONDS:
            return None
        try:
            return self._take(offer, fetch)
        except RefusedError as error:
            self._refused = offer, time.monotonic()
            self._refuse(error)
        except (OSError, NotReachableError) as error:
            self._refuse(_as_refusal(error))  # nothing is wrong with it: try again at the next status
        return None

    def expire(self) -> Ranges | None:
        """Nothing to use from now on, once the list in use has expired; else None."""
        return self._drop() if self._used and self._expired(self.note.expires) else None

    def _take(self, offer: Offer, fetch: Callable[[Offer], bytes]) -> Ranges:
        if offer.size > source_list.MAX_LIST:
            raise SourceListMalformed(f"The list of sources {offer.number} is too long.")
        raw = fetch(offer)
        if source_list.digest(raw) != offer.sha256:
            raise SourceListMalformed(
                f"What came as the list of sources {offer.number} is not what the centre's status names.",
                next_step="It is fetched again within the hour.",
            )
        listed = source_list.read(raw, *self.keys)
        if self._expired(listed.expires):
            raise SourceListMalformed(
                f"The list of sources {offer.number} has expired.", next_step="Is this machine's clock right?"
            )
        write_durably(self._path, raw)
        return self._use(raw, listed)

    def _expired(self, expires: int) -> bool:
        return self._clock() * 1000 >= expires

    def _use(self, raw: bytes, listed: SourceList) -> Ranges:
        self._used = source_list.digest(raw)
        count = len(listed.v4) + len(listed.v6)
        self.note = SourcesNote(number=listed.number, sources=count, issued=listed.issued, expires=listed.expires)
        log.info("sources.in_use", number=listed.number, sources=count)
        return [_as_text(first, last) for first, last in listed.ranges]

    def _drop(self) -> Ranges | None:
        if not self._used:
            return None
        log.info("sources.dropped", number=self.note.number)
        self._used, self.note = "", SourcesNote()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # it expires where it is
            log.warning("sources.unremoved", reason=error.strerror)
        return []

    def _refuse(self, error: CyberAlarmError) -> None:
        if error.code != self.note.refused_code:
            log.warning("sources.refused", code=error.code)
        self.note = self.note.model_copy(update={"refused_code": error.code, "refused": str(error)})


def _as_text(first: int, last: int) -> tuple[str, str]:
    """Most ranges are one address, whose text is kept once: a list has 100,000 of them."""
    text = f"{first:032x}"
    return text, text if first == last else f"{last:032x}"


def _as_refusal(error: Exception) -> CyberAlarmError:
    if isinstance(error, CyberAlarmError):
        return error
    reason = error.strerror if isinstance(error, OSError) else type(error).__name__
    return CyberAlarmError(
        f"The list of sources cannot be kept or read: {reason}.",
        next_step="Look at the disk of the data folder.",
        code="sources-unwritable",
    )


def ranges_of(config: CollectorConfig) -> Ranges:
    """The list that a collector with this data folder uses now; none when it is not enrolled."""
    try:
        identity = identities.load(config.data)
    except (NotEnrolledError, ConfigurationError):
        return []
    return ListedSources(config.data, identity.receipt_keys).load()
