"""Publishing the list of sources seen across the network, and giving it to collectors.

Invariants
- A source is listed when it was hostile at `source_list_minimum_members` members in the last `source_list_days` days, and when at
  `LEAST_PROVEN` of them both sides spoke, so that nobody is listed because somebody forged his address.
- Never listed: private networks, addresses that a member's events show as its own, and the operators of `core.known_sources`.
- The list names sources and nothing else: not who saw them. So many members stand behind each that none can be recognised.
- Only the newest list is given out, only while it holds, to collectors that may speak, and to each a few times in ten minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.enrolment.services import configuration, milliseconds
from cyberalarm.central.releases.services import Fetches
from cyberalarm.central.sources.errors import SourcesUnknownError
from cyberalarm.central.sources.models import PublishedSources
from cyberalarm.core import addresses
from cyberalarm.core.addresses import PRIVATE_NETWORKS, NetworkSet
from cyberalarm.core.known_sources import operator_of
from cyberalarm.core.places import Scope
from cyberalarm.core.ports import risky_ports
from cyberalarm.envelope import source_list
from cyberalarm.envelope.documents import Offer
from cyberalarm.envelope.errors import SourceListRefused
from cyberalarm.envelope.source_list import SourceList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)

MOST_LISTED = 100_000  # those that most members saw; some 210 kB for each collector
LEAST_PROVEN = 2  # members at which a source spoke with the other side: one of them could lie
LIFE = timedelta(days=3)  # a centre that is away for longer has nothing to say of today
MOST_FETCHES = 6  # of one collector, which needs one for each list
FETCH_SECONDS = 600.0
_KEPT = 3  # lists
# Multicast and "this host" are no one's source, whatever a log says.
_NOBODYS = NetworkSet([*PRIVATE_NETWORKS, "0.0.0.0/8", "224.0.0.0/3", "::/96", "ff00::/8"])
_MAPPED_BYTES = 12  # in front of an IPv4 address


def publish(store: EventStore, now: datetime) -> PublishedSources:
    """Make the list of this moment and publish it, unless the newest one says the same and holds for long."""
    v4, v6 = hostile(store, now)
    newest = PublishedSources.objects.first()
    if newest is not None and newest.expires - now > LIFE / 2 and _same(newest, v4, v6):
        return newest
    issued, expires = milliseconds(now), milliseconds(now + LIFE)
    made = SourceList((newest.number if newest else 0) + 1, issued, expires, v4, v6)
    raw = source_list.sign(made, centre_keys(configuration()).receipts)
    with transaction.atomic():
        published = PublishedSources.objects.create(
            number=made.number,
            sha256=source_list.digest(raw),
            size=len(raw),
            content=raw,
            sources=len(v4) + len(v6),
            issued=now,
            expires=now + LIFE,
        )
        PublishedSources.objects.filter(number__lte=made.number - _KEPT).delete()
    log.info("sources.published", number=made.number, sources=published.sources)
    return published


def hostile(store: EventStore, now: datetime) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is to be listed: IPv4 addresses, and the upper halves of IPv6 networks."""
    config = configuration()
    # Whole days of UK time, as the rollups answer; to the end of tomorrow, since devices' clocks run ahead.
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = store.query(
        "hostile_sources",
        Scope.national(),
        start=today - timedelta(days=config.source_list_days),
        end=today + timedelta(days=2),
        risky=sorted(risky_ports()),
        least_members=max(config.source_list_minimum_members, config.trend_minimum_members),
        least_proven=LEAST_PROVEN,
        limit=MOST_LISTED,
    )
    return _halves(addresses.pack(row.text("source")) for row in rows)


def _halves(sources: Iterable[bytes]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    v4, v6 = [], []
    for source in sources:
        if source in _NOBODYS or operator_of(source) is not None:
            continue
        if addresses.unpack(source).version == 4:
            v4.append(int.from_bytes(source[_MAPPED_BYTES:]))
        else:
            v6.append(int.from_bytes(source[:8]))
    return source_list.rising(v4), source_list.rising(v6)


def _same(published: PublishedSources, v4: tuple[int, ...], v6: tuple[int, ...]) -> bool:
    key = centre_keys(configuration()).receipts.verify_key
    try:
        listed = source_list.read(bytes(published.content), key)
    except SourceListRefused:  # signed by a key of before
        return False
    return (listed.v4, listed.v6) == (v4, v6)


def current() -> PublishedSources | None:
    """The list that collectors should use, without its content; None when there is none that holds."""
    newest = PublishedSources.objects.defer("content").first()
    return newest if newest is not None and newest.expires > timezone.now() else None


def offer() -> Offer | None:
    """The current list as the status names it."""
    listed = current()
    return Offer(listed.number, listed.sha256, listed.size) if listed else None


def fetch(collector: int, sha256: str) -> bytes:
    """The current list's file for a collector, if that is the one asked for. Raises SourcesUnknownError, or `busy`."""
    listed = current()
    if listed is None or listed.sha256 != sha256:
        raise SourcesUnknownError("This list of sources is not published now.", next_step="Ask for the status.")
    _fetches.count(collector)
    return _content(sha256)


@lru_cache(maxsize=1)
def _content(sha256: str) -> bytes:
    """One copy for all that are answered at once."""
    return bytes(PublishedSources.objects.get(sha256=sha256).content)


_fetches = Fetches(MOST_FETCHES, FETCH_SECONDS, "the list of sources")


def as_words(published: PublishedSources) -> str:
    """What a job says of what it published."""
    issued = published.issued.astimezone(UTC)
    return f"list {published.number} of {issued:%Y-%m-%d %H:%M} names {published.sources:,} sources"
