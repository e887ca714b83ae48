"""Where the databases are: what an operator may write, what is refused, and that no password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from cyberalarm.central import config as configuration
from cyberalarm.central.databases import DATABASE_PASSWORD, EVENT_STORE_PASSWORD, Database, EventStoreAddress
from cyberalarm.central.events.engine import ClickHouseServers, place_of
from cyberalarm.core.errors import ConfigurationError

SERVERS = """
[database]
url = "postgresql://centre@db.example:5433/cyberalarm?sslmode=verify-full"
password_file = "db.password"
[event_store]
hosts = ["https://e1.example", "https://e2.example:9443"]
user = "centre"
password_file = "events.password"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db.password").write_text("db-secret\n")
    (tmp_path / "events.password").write_text("events-secret\n")
    return tmp_path


def read(folder: Path, text: str) -> configuration.CentralConfig:
    (folder / "central.toml").write_text(text)
    return configuration.load(folder / "central.toml")


def test_without_a_word_both_are_in_the_data_folder(folder: Path) -> None:
    for text in ("", 'profile = "embedded"', 'profile = "single"'):
        told = read(folder, text)
        assert told.database.django(told.data)["NAME"] == told.data / "central.sqlite3"
        assert place_of(told) == told.data / "events"


def test_servers_are_spoken_to_with_the_passwords_of_the_files(folder: Path) -> None:
    told = read(folder, SERVERS)
    made = told.database.django(told.data)
    assert (made["HOST"], made["PORT"], made["NAME"], made["USER"]) == ("db.example", "5433", "cyberalarm", "centre")
    assert made["PASSWORD"] == "db-secret"
    assert made["OPTIONS"]["sslmode"] == "verify-full"
    place = place_of(told)
    assert isinstance(place, ClickHouseServers)
    assert place.hosts == (("e1.example", 8443), ("e2.example", 9443))
    assert place.tls
    assert place.password == "events-secret"


def test_passwords_come_from_the_environment_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_PASSWORD, "one")
    monkeypatch.setenv(EVENT_STORE_PASSWORD, "two")
    told = read(
        folder, SERVERS.replace('password_file = "db.password"', "").replace('password_file = "events.password"', "")
    )
    assert told.database.django(told.data)["PASSWORD"] == "one"
    assert told.event_store.password.get_secret_value() == "two"


def test_no_password_is_shown(folder: Path) -> None:
    told = read(folder, SERVERS)
    shown = repr(told) + str(told) + repr(place_of(told)) + told.model_dump_json()
    assert "db-secret" not in shown
    assert "events-secret" not in shown


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[database]\nurl = "mysql://x/y"', "database.url"),
        ('[database]\nurl = "postgresql://centre:hunter2@db/x"', "database.url"),
        ('[database]\nurl = "postgresql://db"', "database.url"),
        ('[database]\nurl = "postgresql://db:many/x"', "database.url"),
        ('[database]\nurl = "postgresql://db/x?passfile=/etc/shadow"', "database.url"),
        ('[database]\npassword_file = "db.password"', "database.password_file"),
        ('[database]\nurl = "postgresql://db/x"\npassword = "hunter2"', "database.password"),
        ('[database]\nurl = "postgresql://db/x"\npassword_file = "none"', "database.password_file"),
        ('[event_store]\nhosts = ["events.example"]', "event_store.hosts"),
        ('[event_store]\nhosts = ["https://u:hunter2@events.example"]', "event_store.hosts"),
        ('[event_store]\nhosts = ["https://a", "http://b"]', "event_store.hosts"),
        ('[event_store]\nhosts = ["https://a"]\nauthority = "none.pem"', "event_store.authority"),
        ('[event_store]\nuser = "x"', "event_store.user"),
        ('profile = "server"', "profile"),
        ('profile = "cluster"\n' + SERVERS, "profile"),
        ('profile = "single"\n' + SERVERS, "profile"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key_and_without_the_password(folder: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(folder, text)
    assert named in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_profile_that_is_said_agrees_with_the_databases(folder: Path) -> None:
    assert read(folder, 'profile = "server"\n' + SERVERS).profile == "server"
    told = read(folder, 'profile = "cluster"\n' + SERVERS + 'cluster = "network"')
    place = place_of(told)
    assert isinstance(place, ClickHouseServers)
    assert place.cluster == "network"


def test_every_key_of_the_databases_is_documented() -> None:
    told = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    for section, model in (("database", Database), ("event_store", EventStoreAddress)):
        for key in set(model.model_fields) - {"password"}:
            assert f"| `{section}.{key}` |" in told, key
    for variable in (DATABASE_PASSWORD, EVENT_STORE_PASSWORD):
        assert f"`{variable}`" in told
