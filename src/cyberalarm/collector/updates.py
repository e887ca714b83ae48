"""Packs that the centre delivers: fetched, verified, kept, put to use; and the bundled ones whenever anything about them is wrong.

Invariants
- Nothing is used that was not signed by a release key that this collector trusts; the centre's own signature is not enough.
  Signature and number are verified again at each start.
- Numbers only rise, and a key that was revoked is never believed again, in this run or a later one (`pack_trust`).
- A release that is refused changes nothing: the packs in use stay, and its code and words are in `note`.
- Files are put in place whole. A kill at any point leaves the release of before, or the new one.

In the folder: `release` (the file as it was fetched), `compiled-<name>.bin` (the kernel's form of it together with the bundled
packs, for one edition of the program), the two files of `pack_trust`. The compiled form is a convenience like the interpreter's
own: whoever can write here holds the collector's key as well.

`load` is for any process and quick; the others belong to the process that holds the data folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cyberalarm import __version__
from cyberalarm._kernel import Packs
from cyberalarm.collector import identity as identities
from cyberalarm.collector.errors import NotEnrolledError
from cyberalarm.collector.files import flush_folder, write_durably
from cyberalarm.collector.pack_trust import FLOOR, REVOKED, PackTrust
from cyberalarm.collector.preparing import prepare
from cyberalarm.collector.state import PacksNote
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError, NotReachableError, RefusedError
from cyberalarm.envelope import releases
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.formats import delivery
from cyberalarm.formats.delivery import DeliveryRefused
from cyberalarm.formats.library import Library, bundled, edition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.identity import Identity
    from cyberalarm.envelope.documents import Offer
    from cyberalarm.envelope.releases import Release

log = structlog.get_logger(__name__)

FOLDER = "packs"
SPARE = "packs-bundled"  # the compiled form of the bundled packs, where none can be kept beside the program
REFUSED_SECONDS = 3600.0  # until a release that was refused is looked at again
_RELEASE = "release"
_OFFERED = "offered"
_DIGEST_BYTES = 32


def trusted_keys(config: CollectorConfig, identity: Identity | None) -> tuple[VerifyKey, ...]:
    """Whose releases are loaded: the keys of the configuration; without any, those that enrolling brought."""
    named = tuple(VerifyKey.from_text(text) for text in config.packs.release_keys)
    return named or (identity.release_keys if identity else ())


def library_of(config: CollectorConfig) -> Library:
    """The packs that a collector with this data folder uses now; the bundled ones when it is not enrolled."""
    try:
        identity = identities.load(config.data)
    except (NotEnrolledError, ConfigurationError):
        identity = None
    return Updates(config.data, trusted_keys(config, identity)).load()


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The kernel's form of a release with the bundled packs, and which of its packs are used."""

    packed: bytes
    used: list[str]

    def to_bytes(self) -> bytes:
        content = json.dumps(self.used).encode() + b"\n" + self.packed
        return hashlib.sha256(content).digest() + content

    @classmethod
    def from_bytes(cls, raw: bytes) -> _Compiled:
        """Raises ValueError for what was damaged."""
        content = raw[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != raw[:_DIGEST_BYTES]:
            raise ValueError("the compiled packs are damaged")
        used, _, packed = content.partition(b"\n")
        return cls(packed, json.loads(used))


class Delivered(Library):
    """The packs of a release together with the bundled ones. `used` are those of the release that are used, with their versions."""

    def __init__(self, release: Release, sha256: str, used: list[str], kernel: Packs) -> None:
        super().__init__(kernel, lambda: delivery.merged(release.packs))
        self.release = release.number
        self.sha256 = sha256
        self.used = used


class Updates:
    def __init__(self, data: Path, trusted: Sequence[VerifyKey]) -> None:
        self._folder = data / FOLDER
        self._spare = data / SPARE
        self._trust = PackTrust(self._folder, trusted)
        self._used = ""  # digest of the release in use
        self._used_key = ""  # and the id of the key that signed it
        self._refused: dict[Offer, float] = {}  # and when
        self.note = PacksNote()

    def load(self) -> Library:
        """The packs to begin with: the last good release, if it still is one and is compiled; else the bundled ones."""
        try:
            raw, release = self._kept()
            sha256 = releases.digest(raw)
            compiled = _Compiled.from_bytes(self._compiled(sha256).read_bytes())
            return self._use(raw, release, compiled, Packs.unpack(compiled.packed))
        except FileNotFoundError:
            return bundled(self._spare)
        except (RefusedError, OSError, ValueError) as error:
            self._refuse(0, _as_refusal(error))
            return bundled(self._spare)

    def resume(self) -> Library | None:
        """Compile the last good release again if there is one that `load` could not use, as after an update of the program."""
        try:
            raw, release = self._kept()
            sha256 = releases.digest(raw)
            if sha256 == self._used:
                return None
            compiled = self._prepare(self._folder / _RELEASE, sha256)
            return self._use(raw, release, compiled, Packs.unpack(compiled.packed))
        except FileNotFoundError:
            return None
        except (RefusedError, OSError, ValueError) as error:
            self._refuse(0, _as_refusal(error))
            return None

    def heed(self, revocations: Sequence[str]) -> Library | None:
        """Believe no more in release keys that revoke themselves; gives the bundled packs if those in use were signed by one."""
        try:
            self._trust.heed(revocations)
        except OSError as error:  # it holds for this run, and is said again with the next status
            log.warning("packs.revocations_unwritten", reason=error.strerror)
        if not self._used or self._used_key in {key.key_id for key in self._trust.keys}:
            return None
        log.warning("packs.key_revoked", release=self.note.release)
        return self._end_use(remembered=False)  # what a revoked key reached counts no more

    def follow(self, offer: Offer | None, fetch: Callable[[Offer], bytes]) -> Library | None:
        """Do as the centre's status says; gives other packs to use from now on, if there are."""
        if offer is None:
            return self._withdrawn()
        if offer.sha256 == self._used:
            self.note = self.note.model_copy(update={"refused_number": 0, "refused_code": "", "refused": ""})
            return None
        if time.monotonic() - self._refused.get(offer, -REFUSED_SECONDS) < REFUSED_SECONDS:
            return None
        try:
            return self._take(offer, fetch)
        except (RefusedError, ValueError) as error:
            self._refused = {offer: time.monotonic()}
            self._refuse(offer.number, _as_refusal(error))
        except (OSError, NotReachableError) as error:
            self._refuse(offer.number, _as_refusal(error))  # nothing is wrong with it: try again at the next status
        return None

    def _take(self, offer: Offer, fetch: Callable[[Offer], bytes]) -> Library:
        self._worth_fetching(offer)
        raw = fetch(offer)
        if releases.digest(raw) != offer.sha256:
            raise DeliveryRefused(
                f"What came as pack release {offer.number} is not what the centre's status names.",
                next_step="It is fetched again within the hour.",
                code="release-other",
            )
        release = releases.read(raw, self._trust.keys)
        if release.number != offer.number:
            raise DeliveryRefused(
                f"The pack release is number {release.number}, not {offer.number}.", code="release-other"
            )
        delivery.check_program(__version__, release.program)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        offered = self._folder / _OFFERED
        write_durably(offered, raw)
        try:
            compiled = self._prepare(offered, offer.sha256)
            kernel = Packs.unpack(compiled.packed)
            offered.replace(self._folder / _RELEASE)
            flush_folder(self._folder)
        finally:
            offered.unlink(missing_ok=True)
        library = self._use(raw, release, compiled, kernel)
        self._raise_floor()
        self._tidy()
        return library

    def _worth_fetching(self, offer: Offer) -> None:
        """Raises RefusedError for what could not be used anyway."""
        if not self._trust.keys:
            raise DeliveryRefused(
                f"The centre offers pack release {offer.number}, but this collector trusts no release key.",
                next_step="Enrol again with a new token, or write packs.release_keys into the configuration.",
                code="release-key-unknown",
            )
        delivery.check_number(offer.number, offer.sha256, *self._floor())
        if offer.size > releases.MAX_RELEASE:
            raise DeliveryRefused(f"Pack release {offer.number} is too long.", code="release-malformed")

    def _kept(self) -> tuple[bytes, Release]:
        """The release on disk, verified. Raises FileNotFoundError when there is none, RefusedError when it is not to be used."""
        raw = (self._folder / _RELEASE).read_bytes()
        release = releases.read(raw, self._trust.keys)
        delivery.check_number(release.number, releases.digest(raw), *self._floor())
        delivery.check_program(__version__, release.program)
        return raw, release

    def _raise_floor(self) -> None:
        """Remember the release in use as the newest; should that fail, the release itself, on disk, still says so."""
        try:
            self._trust.raise_floor(self._used_key, self.note.release, self._used)
        except OSError as error:
            log.warning("packs.floor_unwritten", reason=error.strerror)

    def _floor(self) -> tuple[int, str]:
        """Number and digest of the newest release that was ever in use. Raises DeliveryRefused when that cannot be told."""
        return (self.note.release, self._used) if self._used else self._trust.floor()

    def _compiled(self, sha256: str) -> Path:
        name = hashlib.sha256(f"{edition()} {sha256}".encode()).hexdigest()[:16]
        return self._folder / f"compiled-{name}.bin"

    def _prepare(self, release: Path, sha256: str) -> _Compiled:
        """Check and compile a release; the compiled form is kept. Raises DeliveryRefused, OSError."""
        target = self._compiled(sha256)
        # A name of this process's own: the check that a killed one began may still be at work.
        draft = target.with_suffix(f".{os.getpid()}.draft")
        try:
            used = prepare(release, draft, self._trust.keys)
            made = _Compiled(draft.read_bytes(), used)
        finally:
            draft.unlink(missing_ok=True)
        write_durably(target, made.to_bytes())
        return made

    def _use(self, raw: bytes, release: Release, compiled: _Compiled, kernel: Packs) -> Library:
        """Begin with a release that was read, from this file."""
        self._used, self._used_key = releases.digest(raw), releases.signer(raw)
        library = Delivered(release, self._used, compiled.used, kernel)
        self.note = _note(library)
        log.info("packs.in_use", release=release.number, packs=len(compiled.used))
        return library

    def note_of(self, library: Library) -> PacksNote:
        """The note for a collector that reads by this library now, be it the newest or not yet."""
        used = _note(library)
        told = {"release": used.release, "sha256": used.sha256, "packs": used.packs}
        return self.note.model_copy(update=told)

    def _withdrawn(self) -> Library | None:
        """The centre publishes no release any more: the bundled packs again. The number is remembered."""
        kept = self._folder / _RELEASE
        if not self._used and not kept.exists():
            self.note = PacksNote()
            return None
        library = self._end_use()
        if library is not None:
            log.info("packs.withdrawn")
        return library

    def _end_use(self, *, remembered: bool = True) -> Library | None:
        """The bundled packs from now on, and the release off the disk; None when that cannot be, or its number not `remembered`."""
        try:
            if remembered:
                self._remember()
            (self._folder / _RELEASE).unlink(missing_ok=True)
            flush_folder(self._folder)
        except OSError as error:
            self._refuse(0, _as_refusal(error))
            return None
        self._used = self._used_key = ""
        self.note = PacksNote()
        self._tidy()
        return bundled(self._spare)

    def _remember(self) -> None:
        """Keep the number of the release on disk apart from it, which still tells it while it is there. Raises OSError."""
        if self._used:
            self._trust.raise_floor(self._used_key, self.note.release, self._used)
            return
        with suppress(FileNotFoundError, RefusedError):  # none, or one that was never used: its signature does not hold
            raw = (self._folder / _RELEASE).read_bytes()
            release = releases.read(raw, self._trust.keys)
            self._trust.raise_floor(releases.signer(raw), release.number, releases.digest(raw))

    def _tidy(self) -> None:
        """Remove compiled forms of other releases and editions, and what a kill left half done."""
        with suppress(OSError):  # what cannot be removed takes room, and does no other harm
            keep = {_RELEASE, FLOOR, REVOKED, self._compiled(self._used).name}
            for old in self._folder.iterdir():
                if old.name not in keep:
                    old.unlink(missing_ok=True)

    def _refuse(self, number: int, error: CyberAlarmError) -> None:
        if (number, error.code) != (self.note.refused_number, self.note.refused_code):
            log.warning("packs.refused", release=number, code=error.code)
        told = {"refused_number": number, "refused_code": error.code, "refused": str(error)}
        self.note = self.note.model_copy(update=told)


def _note(library: Library) -> PacksNote:
    if isinstance(library, Delivered):
        return PacksNote(release=library.release, sha256=library.sha256, packs=library.used)
    return PacksNote()


def _as_refusal(error: Exception) -> CyberAlarmError:
    if isinstance(error, CyberAlarmError):
        return error
    if isinstance(error, OSError):
        return CyberAlarmError(
            f"The pack release cannot be kept or read: {error.strerror}.",
            next_step="Look at the disk of the data folder.",
            code="release-unwritable",
        )
    return DeliveryRefused("The packs as they were kept are damaged.", next_step="They are made again.")


def forget(data: Path) -> None:
    """Begin anew with releases, as under a new authority: neither release nor number is kept. What was revoked stays so."""
    folder = data / FOLDER
    for name in (_RELEASE, FLOOR):
        (folder / name).unlink(missing_ok=True)
