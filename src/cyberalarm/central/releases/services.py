"""Publishing pack releases, withdrawing them, and giving the current one to collectors.

Invariants
- What is published was signed by a release key of the configuration and passed the linter together with this centre's own packs;
  the private half of that key has no place here, so that who takes over the centre cannot write packs for members.
- Publishing or withdrawing and its audit row happen together or not at all.
- What a revoked key signed counts no more: neither its releases nor their numbers.
- Only the current release is given out, only to a collector that may speak, and to each a few times in ten minutes at most.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from cyberalarm import __version__
from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.central.enrolment.services import configuration
from cyberalarm.central.members.models import Collector
from cyberalarm.central.releases.errors import ReleaseUnknownError
from cyberalarm.central.releases.models import PackRelease
from cyberalarm.core.errors import ConfigurationError, CyberAlarmError
from cyberalarm.envelope import releases
from cyberalarm.envelope.documents import Offer
from cyberalarm.formats import delivery

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User

log = structlog.get_logger(__name__)

MOST_FETCHES = 6  # of one collector, which needs one for each release
FETCH_SECONDS = 600.0
_MOST_REMEMBERED = 100_000  # collectors whose fetches are counted; beyond that counting begins anew


@dataclass(frozen=True, slots=True)
class Use:
    """How many collectors use each release (0: the packs of their program, None: they have not said), and by which codes some
    do not use one.
    """

    releases: Counter[int | None]
    refusals: Counter[str]


def publish(raw: bytes, by: User | None, why: str) -> PackRelease:
    """Make a release the current one. Raises ConfigurationError, ReleaseRefused or DeliveryRefused.

    A release that was withdrawn may be published again, unchanged, as long as no newer one was.
    """
    keys = configuration().trusted_release_keys
    if not keys:
        raise ConfigurationError(
            "No release key is named, so nobody could tell whose packs these are.",
            next_step="Write the public key into release_keys of the centre's configuration (docs/operating.md).",
        )
    release = releases.read(raw, keys)
    sha256 = releases.digest(raw)
    _follows(release.number, sha256)
    delivery.check_program(__version__, release.program)
    delivery.joined(release.packs)
    with transaction.atomic():
        _follows(release.number, sha256)  # again, since another operator may have been quicker
        made, _ = PackRelease.objects.update_or_create(
            number=release.number,
            defaults={
                "sha256": sha256,
                "size": len(raw),
                "content": raw,
                "key": releases.signer(raw),
                "program": release.program,
                "packs": {pack.name: pack.version for pack in release.packs},
                "published": timezone.now(),
                "withdrawn": None,
            },
        )
        audit.record(by, Action.PACKS_PUBLISHED, f"release:{release.number}", why)
    log.info("packs.published", release=release.number, packs=len(release.packs))
    return made


def _follows(number: int, sha256: str) -> None:
    newest = _newest()
    if newest is not None:
        delivery.check_number(number, sha256, newest.number, newest.sha256)


def withdraw(by: User | None, why: str) -> PackRelease:
    """Publish nothing any more: collectors go back to the packs of their program. Raises ReleaseUnknownError."""
    with transaction.atomic():
        release = current()
        if release is None:
            raise ReleaseUnknownError("No pack release is published now.")
        release.withdrawn = timezone.now()
        release.save(update_fields=["withdrawn"])
        audit.record(by, Action.PACKS_WITHDRAWN, f"release:{release.number}", why)
    log.info("packs.withdrawn", release=release.number)
    return release


def current() -> PackRelease | None:
    """The release that collectors should use, without its content; None when only bundled packs should be used."""
    newest = _newest()
    return newest if newest is not None and newest.withdrawn is None else None


def _newest() -> PackRelease | None:
    valid = PackRelease.objects.exclude(key__in=configuration().revoked_key_ids)
    return valid.defer("content").order_by("-number").first()


def offer() -> Offer | None:
    """The current release as the status names it."""
    release = current()
    return Offer(release.number, release.sha256, release.size) if release else None


def in_use(number: int | None, refused: str | None) -> str:
    """What people read of the packs that a collector said it uses: a release's number, 0 for its program's own, None: not said."""
    if number is None:
        return "not known yet"
    words = f"release {number}" if number else "those of its program"
    return f"{words}; a release is not used: code {refused}" if refused else words


def use() -> Use:
    """What the enrolled collectors said that they use."""
    rows = Collector.objects.filter(status=Collector.Status.ENROLLED).order_by()
    counted = rows.values_list("pack_release", "pack_refused").annotate(collectors=Count("pk"))
    releases_used: Counter[int | None] = Counter()
    refusals: Counter[str] = Counter()
    for number, refused, collectors in counted:
        releases_used[number] += collectors
        if refused:
            refusals[refused] += collectors
    return Use(releases_used, refusals)


def fetch(collector: int, sha256: str) -> bytes:
    """The current release's file for a collector, if that is the one asked for. Raises ReleaseUnknownError, or `busy`."""
    release = current()
    if release is None or release.sha256 != sha256:
        raise ReleaseUnknownError("This pack release is not published now.", next_step="Ask for the status.")
    _fetches.count(collector)
    return _content(sha256)


@lru_cache(maxsize=1)
def _content(sha256: str) -> bytes:
    """One copy for all that are answered at once."""
    return bytes(PackRelease.objects.get(sha256=sha256).content)


class Fetches:
    """How often each collector has fetched something lately."""

    def __init__(self, most: int, seconds: float, what: str = "packs") -> None:
        self._most, self._seconds, self._what = most, seconds, what
        self._guard = Lock()
        self._times: dict[int, deque[float]] = {}

    def count(self, collector: int) -> None:
        """Count one. Raises CyberAlarmError (`busy`) when there were too many."""
        now = time.monotonic()
        with self._guard:
            if len(self._times) >= _MOST_REMEMBERED:
                self._times.clear()
            times = self._times.setdefault(collector, deque(maxlen=self._most))
            if len(times) == self._most and now - times[0] < self._seconds:
                raise CyberAlarmError(
                    f"This collector has fetched {self._what} too often.",
                    next_step="Come back in ten minutes.",
                    code="busy",
                )
            times.append(now)


_fetches = Fetches(MOST_FETCHES, FETCH_SECONDS)
