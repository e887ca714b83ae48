"""The list of sources at the centre: who stands on it and who never does; signed, named in the status, given to collectors only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.jobs.work import publish_sources
from cyberalarm.central.members.models import Collector
from cyberalarm.central.releases.services import Fetches
from cyberalarm.central.sources import services
from cyberalarm.central.sources.models import PublishedSources
from cyberalarm.core.addresses import pack, text
from cyberalarm.core.known_sources import operators
from cyberalarm.envelope import source_list
from cyberalarm.envelope.documents import Offer, Status
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import sign_request
from tests.events.event_rows import Given, table
from tests.ingest.ingest_client import API, code
from tests.ingest.ingest_sender import Sender, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

    from cyberalarm.central.events.arrow import FieldValue
    from cyberalarm.central.events.store import EventStore

NOW = datetime.now(UTC).replace(microsecond=0)
PAST = iter(range(1, 10_000))


@pytest.fixture(autouse=True)
def fresh(migrated: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(services, "_fetches", Fetches(services.MOST_FETCHES, services.FETCH_SECONDS))
    PublishedSources.objects.all().delete()
    yield
    PublishedSources.objects.all().delete()


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A moment of this test's own, so that no other's events are seen: the store is shared."""
    config = settings.CONFIG.model_copy(update={"source_list_days": 1})
    monkeypatch.setattr(settings, "CONFIG", config)
    return NOW - timedelta(days=5 * next(PAST))


def at(then: datetime, member: int, source: str, **changed: FieldValue) -> Given:
    """Blocked on the way in, which anybody can forge."""
    event: dict[str, FieldValue] = {
        "time": then - timedelta(minutes=5),
        "last": then - timedelta(minutes=5),
        "count": 1,
        "sensor": "firewall",
        "action": "blocked",
        "direction": "inbound",
        "src_ip": source,
        "dst_ip": f"203.0.113.{member}",
        "dst_port": 22,
        "protocol": 6,
        "evidence": "one_way",
        "product": "one",
        "device": "aa",
    }
    return Given(member, {**event, **changed})


GUESSED: dict[str, FieldValue] = {
    "sensor": "ids",
    "action": "detected",
    "category": "guessing",
    "evidence": "established",
}
LET_IN: dict[str, FieldValue] = {"action": "allowed", "evidence": "established", "dst_port": 3389}


def hostile(then: datetime, source: str, members: tuple[int, ...] = (1, 2, 3), proven: int = 2) -> list[Given]:
    return [at(then, m, source) for m in members] + [at(then, m, source, **GUESSED) for m in members[:proven]]


def listed(store: EventStore, then: datetime, *given: list[Given]) -> set[str]:
    store.insert(table([row for rows in given for row in rows]))
    v4, v6 = services.hostile(store, then)
    mapped = bytes(10) + b"\xff\xff"
    return {text(mapped + one.to_bytes(4)) for one in v4} | {text(one.to_bytes(8) + bytes(8)) for one in v6}


def test_a_source_that_was_hostile_at_several_members_is_listed(store: EventStore, then: datetime) -> None:
    wide = [at(then, m, f"2001:db8:7::{m}", **GUESSED) for m in (1, 2, 3)]
    assert listed(store, then, hostile(then, "198.51.100.1"), wide) == {"198.51.100.1", "2001:db8:7::"}


def test_let_in_to_a_service_that_should_not_face_the_internet_proves_a_source(
    store: EventStore, then: datetime
) -> None:
    blocked = [at(then, m, "198.51.100.2") for m in (1, 2, 3)]
    let_in = [at(then, m, "198.51.100.2", **LET_IN) for m in (4, 1)]
    assert listed(store, then, blocked, let_in) == {"198.51.100.2"}


def test_who_is_not_listed(store: EventStore, then: datetime) -> None:
    googlebot = str(operators()["googlebot"].networks[0][1])
    old = then - timedelta(days=2)
    assert (
        listed(
            store,
            then,
            hostile(then, "198.51.100.10", members=(1, 2)),  # at too few members
            hostile(then, "198.51.100.11", proven=1),  # one member could lie
            hostile(then, "198.51.100.12", proven=0),  # anybody could forge it
            [at(then, m, "198.51.100.13", **LET_IN) for m in (1, 2, 3)],  # a supplier who looks after several members
            [at(then, m, "198.51.100.14", **LET_IN, sensor="ids", category="policy") for m in (1, 2, 3)],
            [at(then, m, "198.51.100.15", **GUESSED | {"sensor": "antispam", "category": "spam"}) for m in (1, 2, 3)],
            hostile(then, "203.0.113.2"),  # a member's own, as something that came in says
            [*hostile(then, "198.51.100.16"), at(then, 4, "198.51.100.16", direction="outbound", dst_ip="192.0.2.1")],
            hostile(then, googlebot),
            hostile(then, "10.1.2.3"),
            hostile(then, "::"),
            hostile(then, "224.0.0.5"),
            [Given(g.member, {**g.event, "time": old, "last": old}) for g in hostile(old, "198.51.100.17")],
        )
        == set()
    )


def test_being_kept_because_it_is_listed_keeps_nobody_listed(store: EventStore, then: datetime) -> None:
    """Else a list would never end."""
    let_in = [at(then, m, "198.51.100.20", action="allowed", evidence="established", dst_port=443) for m in (1, 2, 3)]
    assert listed(store, then, let_in) == set()


def test_members_editions_floor_holds_for_the_list(
    store: EventStore, then: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CONFIG", settings.CONFIG.model_copy(update={"trend_minimum_members": 4}))
    four = hostile(then, "198.51.100.31", members=(1, 2, 3, 4))
    assert listed(store, then, hostile(then, "198.51.100.30"), four) == {"198.51.100.31"}


def test_the_list_is_bounded_and_keeps_what_most_members_saw(
    store: EventStore, then: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_LISTED", 1)
    four = hostile(then, "198.51.100.41", members=(1, 2, 3, 4))
    assert listed(store, then, hostile(then, "198.51.100.40"), four) == {"198.51.100.41"}


def read(published: PublishedSources) -> source_list.SourceList:
    key = centre_keys(settings.CONFIG).receipts.verify_key
    return source_list.read(bytes(PublishedSources.objects.get(pk=published.pk).content), key)


def test_a_list_is_signed_numbered_and_made_anew_only_when_it_differs(store: EventStore, then: datetime) -> None:
    store.insert(table(hostile(then, "198.51.100.50")))
    first = services.publish(store, then)
    assert [text(pack("198.51.100.50"))] == [text(bytes(10) + b"\xff\xff" + one.to_bytes(4)) for one in read(first).v4]
    assert (first.number, first.sources, first.size) == (1, 1, len(bytes(first.content)))
    assert services.publish(store, then + timedelta(hours=1)).pk == first.pk, "nobody need fetch the same again"
    again = services.publish(store, then + timedelta(hours=20))
    assert (again.number, read(again).expires - read(again).issued) == (1, 3 * 86_400_000)
    later = services.publish(store, then + timedelta(days=2))
    assert (later.number, later.sources) == (2, 0), "what is over is over"
    for days in range(3, 7):
        services.publish(store, then + timedelta(days=days))
    assert PublishedSources.objects.count() <= 3
    words = publish_sources(store, then + timedelta(days=9))
    newest = PublishedSources.objects.first()
    assert words.startswith(f"list {newest.number} of ")
    assert words.endswith(f" names {newest.sources} sources")


def ask(client: urllib3.HTTPSConnectionPool, sender: Sender, path: str) -> urllib3.BaseHTTPResponse:
    headers = sign_request(sender.key, sender.enrolment.collector, "GET", API + path, b"", now_ms())
    return client.request("GET", API + path, headers=headers)


def status(client: urllib3.HTTPSConnectionPool, sender: Sender, query: str) -> Status:
    return Status.read(ask(client, sender, "status" + query).data, sender.receipt_key)


READS_LISTS = "?program=0.2.0&release=0&sources=1"


def test_the_status_names_it_for_those_who_read_it(
    client: urllib3.HTTPSConnectionPool, sender: Sender, store: EventStore
) -> None:
    assert status(client, sender, READS_LISTS).sources is None
    published = services.publish(store, NOW)
    assert status(client, sender, READS_LISTS).sources == Offer(published.number, published.sha256, published.size)
    for query in ("", "?program=0.1.0&release=0", "?program=0.1.0&release=0&sources=x"):
        assert status(client, sender, query).sources is None, "a collector of before would refuse the status"
    answer = ask(client, sender, "sources/" + published.sha256)
    assert (answer.status, answer.data) == (200, bytes(published.content))
    assert source_list.read(answer.data, sender.receipt_key).number == published.number
    assert answer.headers["cache-control"] == "no-store"


def test_a_list_that_has_expired_is_neither_named_nor_given(
    client: urllib3.HTTPSConnectionPool, sender: Sender, store: EventStore
) -> None:
    old = services.publish(store, NOW - timedelta(days=4))
    assert status(client, sender, READS_LISTS).sources is None
    assert code(ask(client, sender, "sources/" + old.sha256)) == "sources-unknown"


def test_nobody_else_gets_it(
    client: urllib3.HTTPSConnectionPool, new_sender: Callable[[], Sender], store: EventStore
) -> None:
    sender, revoked = new_sender(), new_sender()
    path = "sources/" + services.publish(store, NOW).sha256
    assert code(client.request("GET", API + path)) == "request-unsigned"
    assert code(ask(client, Sender(sender.enrolment, SigningKey.generate()), path)) == "request-signature"
    assert code(client.request("POST", API + path, body=b"")) == "method-not-allowed"
    Collector.objects.filter(reference=revoked.enrolment.collector).update(status=Collector.Status.REVOKED)
    assert code(ask(client, revoked, path)) == "collector-revoked"
    assert code(ask(client, sender, "sources/" + "0" * 64)) == "sources-unknown"


def test_a_collector_that_asks_again_and_again_is_told_to_wait(
    client: urllib3.HTTPSConnectionPool, new_sender: Callable[[], Sender], store: EventStore
) -> None:
    greedy, other = new_sender(), new_sender()
    path = "sources/" + services.publish(store, NOW).sha256
    for _ in range(services.MOST_FETCHES):
        assert ask(client, greedy, path).status == 200
    assert code(ask(client, greedy, path)) == "busy"
    assert ask(client, other, path).status == 200
