"""A real centre in this process: SQLite, chDB, its own keys, all in a temporary folder."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import urllib3
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.bodies import BoundedBodies
from cyberalarm.central.ingest.front import EnvelopeFront
from cyberalarm.central.members.models import Member, Site
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import EnrolmentRequest
from tests.ingest.ingest_sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.events.store import EventStore


@pytest.fixture(scope="module")
def store(migrated: None, opened: EventStore) -> EventStore:
    return opened


@pytest.fixture(scope="module")
def receiving(store: EventStore) -> Iterator[ingest.Ingest]:
    yield ingest.start(settings.CONFIG, store)
    ingest.stop()


@pytest.fixture
def operator(migrated: None) -> Iterator[User]:
    found, _ = User.objects.get_or_create(
        email="operator@example.org",
        defaults={"name": "Operator", "role": Role.OPERATOR, "scope_level": "national"},
    )
    yield found
    found.delete()


@pytest.fixture
def site(migrated: None) -> Iterator[Site]:
    member = Member.objects.create(
        name="Example School", kind=Member.Kind.SCHOOL, force="kent", status=Member.Status.APPROVED
    )
    yield Site.objects.create(member=member, name="Main")
    member.delete()


@pytest.fixture
def new_sender(operator: User, site: Site) -> Callable[[], Sender]:
    def make() -> Sender:
        _, token = enrolment.provision(site, "Collector", operator)
        key = SigningKey.generate()
        request = EnrolmentRequest.new(token, key, "0.1.0", "linux")
        return Sender(Enrolment.read(enrolment.enrol(request)), key)

    return make


@pytest.fixture
def sender(new_sender: Callable[[], Sender]) -> Sender:
    return new_sender()


@pytest.fixture(scope="module")
def port(receiving: ingest.Ingest) -> Iterator[int]:
    keys = centre_keys(settings.CONFIG)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        BoundedBodies(EnvelopeFront(get_asgi_application())),
        ssl_certfile=str(keys.certificate.certificate),
        ssl_keyfile=str(keys.certificate.key),
        lifespan="off",
        log_level="warning",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
        assert thread.is_alive()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(port: int) -> Iterator[urllib3.HTTPSConnectionPool]:
    pool = urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        port,
        cert_reqs="CERT_NONE",
        assert_fingerprint=centre_keys(settings.CONFIG).pin,
        retries=False,
        timeout=30,
    )
    yield pool
    pool.close()
