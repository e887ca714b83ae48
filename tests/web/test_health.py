"""What `/healthz` says, and what operators read: judged over values by table, and over the real stores and files."""

from __future__ import annotations

import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from cyberalarm.central.audit.models import Entry
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.jobs import supervisor
from cyberalarm.central.jobs.models import JobRun, JobTurn
from cyberalarm.central.jobs.schedule import Every, late, late_after
from cyberalarm.central.jobs.work import Job, default_jobs
from cyberalarm.central.members.models import Collector
from cyberalarm.central.site import health
from cyberalarm.central.site.certificate import valid_until
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope import certificate as certificates
from cyberalarm.envelope.certificate import CertificatePaths
from tests.web.browsing import Visitor
from tests.web.test_scopes import PEOPLE, person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Site

__all__ = ["person"]

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def serving(database: None, events: EventStore) -> Iterator[None]:
    """Everything that a centre needs to be well."""
    ingest.start(settings.CONFIG, events)
    yield
    ingest.stop()


def check(name: str) -> health.Check:
    return next(one for one in health.examine() if one.name == name)


def test_a_centre_that_works_is_fit(serving: None, visitor: Visitor) -> None:
    assert [one for one in health.examine() if not one.good] == []
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_full_disk_is_told_to_all_and_explained_to_operators_only(
    serving: None, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 255 * 2**20))
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.content) == (503, b"not ok\n")
    found = check("Disk")
    assert (found.good, found.grave) == (False, True)
    assert "255 MiB" in found.words
    assert found.next_step


def test_a_centre_that_does_not_receive_is_not_fit(serving: None, visitor: Visitor) -> None:
    ingest.stop()
    assert visitor.get("/healthz").status_code == 503
    assert check("Receiving").grave


def test_a_database_that_does_not_answer_is_not_fit(serving: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError, connection

    def broken() -> None:
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", broken)
        assert not health.fit()
        found = check("Relational database")
    assert found.grave
    assert "OperationalError" in found.words
    assert health.fit()


def test_a_job_without_success_for_too_long_is_not_fit(
    serving: None, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_supervised_since", timezone.now() - DAY)
    assert visitor.get("/healthz").status_code == 503, "nothing was done for a day"
    assert check("Job: detections").grave
    assert check("Job: reports").good, "a week has not passed"
    for job in default_jobs():
        done = timezone.now() - timedelta(minutes=2)
        JobRun.objects.create(job=job.name, key="1", state="done", started=done, finished=done)
    assert visitor.get("/healthz").status_code == 200
    failing = JobRun.objects.create(
        job="detections", key="2", state="failed", attempts=3, started=timezone.now(), result="OperationalError"
    )
    found = check("Job: detections")
    assert (found.good, found.grave) == (False, False)
    assert "3 times" in found.words
    assert failing.result in found.words


@pytest.mark.parametrize("every", Every)
@pytest.mark.parametrize(
    ("done", "since", "expected"),
    [(None, None, False), (0, None, False), (1, None, True), (None, 1, True), (None, 0, False), (1, 0, False), (0, 1, False)],
)  # fmt: skip
def test_late_jobs(every: Every, done: int | None, since: int | None, expected: bool) -> None:
    """1 is a second longer ago than a job may be without success, 0 just now."""
    moments = [None if ago is None else NOW - (late_after(every) + timedelta(seconds=1)) * ago for ago in (done, since)]
    assert late(every, NOW, *moments) is expected


def test_a_running_job_is_not_late_by_itself() -> None:
    job = Job("x", Every.WEEK, lambda *_: "")
    run = JobRun(job="x", key="k", state="running", started=NOW)
    hanging = health.judged_job(Job("x", Every.MINUTE, lambda *_: ""), run, NOW, NOW, NOW + timedelta(minutes=16))
    assert (hanging.good, hanging.grave) == (False, False)
    assert "too long" in hanging.words
    given_up = JobRun(job="x", key="k", state="given-up", attempts=16, result="disk-full", started=NOW)
    told = health.judged_job(Job("x", Every.WEEK, lambda *_: ""), given_up, NOW, NOW, NOW)
    assert (told.good, told.grave) == (False, False)
    assert "disk-full" in told.words
    assert health.judged_job(job, run, NOW - 7 * DAY, NOW - DAY, NOW).good


@given(st.integers(0, 2**44))
def test_the_disk_is_judged_by_its_free_bytes(free: int) -> None:
    found = health.disk(free)
    assert found.good == (free >= 256 * 2**20)
    assert found.grave == (not found.good)


@given(st.integers(-1000, 1000))
def test_certificates_warn_early_and_fail_when_expired(hours: int) -> None:
    found = health.certificate(NOW + hours * DAY / 4, NOW)
    assert found.good == (hours / 4 >= 60)
    assert found.grave == (hours <= 0)
    assert bool(found.next_step) == (not found.good)


def made(folder: Path, ends: datetime) -> CertificatePaths:
    """A certificate with this end, as an operator might put there."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "centre.example")])
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime(1990, 1, 1, tzinfo=UTC)).not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = CertificatePaths(folder / "c.pem", folder / "k.pem")
    paths.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


@bounds(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.datetimes(datetime(1991, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC, microsecond=0)))  # noqa: DTZ001
def test_the_end_of_a_certificate_is_read_whenever_it_is(tmp_path: Path, ends: datetime) -> None:
    assert valid_until(made(tmp_path, ends)) == ends


def test_the_centres_own_certificate_is_read(tmp_path: Path) -> None:
    until = valid_until(certificates.make(tmp_path, ["centre.example", "127.0.0.1"]))
    assert 729 < (until - datetime.now(UTC)) / DAY < 731


def test_a_certificate_that_cannot_be_served_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = made(tmp_path / "a", NOW), made(tmp_path / "b", NOW)
    with pytest.raises(ConfigurationError):
        valid_until(CertificatePaths(one.certificate, other.key))
    with pytest.raises(ConfigurationError):
        valid_until(CertificatePaths(tmp_path / "nowhere.pem", one.key))
    one.certificate.write_text("noise")
    with pytest.raises(ConfigurationError):
        valid_until(one)


def test_refused_and_silent_collectors_are_counted(serving: None, site: Site) -> None:
    now = timezone.now()
    collectors = [
        Collector.objects.create(site=site, name=f"C{at}", status=Collector.Status.ENROLLED) for at in range(4)
    ]
    for at, age in ((0, 0), (1, 2)):
        Envelope.objects.create(
            collector=collectors[at], sequence=1, digest=str(at), state=Envelope.State.STORED, sealed=now, rows=0,
            lines=1, received=now - age * DAY, size=1, ledgers={},
        )  # fmt: skip
    Collector.objects.filter(pk__in=[c.pk for c in collectors[2:]]).update(refused_code="chain-gap", refused_at=now)
    Collector.objects.filter(pk=collectors[1].pk).update(refused_code="events-time", refused_at=now - 2 * DAY)
    assert "4 enrolled. Newest envelope within 24 hours: 1; older: 1; none yet: 2." in check("Collectors").words
    found = check("Refusals")
    assert (found.good, found.grave) == (False, False)
    assert "last code: chain-gap 2." in found.words


@pytest.mark.parametrize("who", PEOPLE)
def test_only_operators_see_how_the_centre_is(serving: None, person: Callable[[str], User], who: str) -> None:
    JobRun.objects.create(job="detections", key="2026-11-20T08:05", state="failed", started=NOW, result="not-today")
    visitor = Visitor(person(who))
    answer, jobs = visitor.get("/police/operations"), visitor.get("/police/operations/jobs")
    assert answer.status_code == jobs.status_code == (200 if who == "operator" else 404)
    asked = visitor.post("/police/operations/jobs/detections/run")
    assert asked.status_code == (302 if who == "operator" else 404)
    assert JobTurn.objects.filter(job="detections", asked__isnull=False).exists() == (who == "operator")
    assert Entry.objects.filter(action="job-asked", subject="job:detections").exists() == (who == "operator")
    if who == "operator":
        assert all(one.name in answer.content.decode() for one in health.examine())
        text = jobs.content.decode()
        for said in ("not-today", "2026-11-20T08:05", "1 job needs a look", "Try again now", "Run now"):
            assert said in text
        assert "Asked for" in visitor.get("/police/operations/jobs?job=detections").content.decode()
        assert visitor.post("/police/operations/jobs/nothing/run").status_code == 404
        assert visitor.get("/police/operations/jobs/detections/run").status_code == 405
