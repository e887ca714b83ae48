"""The support bundle: what helps is in it, and no secret, address or word of a line, wherever they were planted."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector import config as configuration
from cyberalarm.collector import state
from cyberalarm.collector.doctor import examine
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.scrub import REMOVED, Scrubber
from cyberalarm.collector.support import gather, write
from tests.collector.members import Home
from tests.collector.processes import cyberalarm, end, start, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.support import Part
    from tests.collector.fake_centre import FakeCentre

# Planted somewhere each; none may come out.
PASSWORD = "hunter2%21words"
LOGIN = "svc-proxy"
COMMENT = "the admin password is Tr0ub4dor"
TYPO = "sk_live_51H8xY"
MAILBOX = "head.teacher@school.example"
PERSON = "margaret.okafor"
SENDER = "127.77.66.55"
INSIDE = "10.23.45.67"
OWN = "203.0.113.64"
SIX = "2001:db8:77::15"
PROXY_HOST = "proxy-in-the-cellar.school.example"
NICKNAME = "Pump room"
HOST = "boiler-house"
TOKEN = "ca1.eyJjZW50cmUiOiJodHRwczovL2NlbnRyZS5leGFtcGxlIn0"
PLANTED = (
    PASSWORD,
    "hunter2!words",
    LOGIN,
    "Tr0ub4dor",
    TYPO,
    MAILBOX,
    PERSON,
    SENDER,
    INSIDE,
    OWN,
    SIX,
    PROXY_HOST,
    TOKEN,
    NICKNAME,
    HOST,
)

LOG = [
    '{"event": "collector.running", "udp": [514], "level": "info", "timestamp": "2026-11-20T12:00:00Z"}',
    f'{{"event": "odd", "reason": "cannot reach {INSIDE} for {MAILBOX}", "proxy": "http://{LOGIN}:{PASSWORD}@{PROXY_HOST}:3128"}}',
    f'{{"event": "odd", "{PERSON}": 1, "nested": {{"a": "{SIX}"}}, "code": "chain-gap", "token": "{TOKEN}"}}',
    f"Traceback: user={PERSON} password={PASSWORD} from {SIX} {TOKEN}",
    "",
]


@pytest.fixture
def planted(tmp_path: Path, centre: FakeCentre) -> Home:
    """An enrolled collector whose files are full of what must not get out."""
    home = Home.make(tmp_path / "collector")
    enrol(home.config, centre.token().to_text())
    text = (
        home.path.read_text()
        .replace("203.0.113.0/24", f"{OWN}/29")
        .replace("[networks]", f'[networks]\ntrusted = ["{INSIDE}/32"]')
    )
    called = f'device = [{{ name = "{NICKNAME}", address = "{SENDER}" }}]'
    home.path.write_text(f'# {COMMENT}\nproxy = "http://{LOGIN}:{PASSWORD}@{PROXY_HOST}:3128"\n{called}\n{text}')
    return home


def texts(parts: list[Part]) -> str:
    return "\n".join(f"{part.name} {part.about}\n{part.content}" for part in parts)


def secrets_of(home: Home) -> list[str]:
    """Every key and salt in the data folder, as anybody might write them."""
    import base64

    found = []
    for path in (*home.data.glob("*.key"), *home.data.glob("*.salt")):
        raw = path.read_bytes()
        found += [raw.hex(), base64.b64encode(raw).decode().rstrip("="), raw.decode("latin-1").strip()]
        found += [line for line in raw.decode("latin-1").splitlines() if len(line) > 20]
    assert len(found) >= 6
    return found


def _unrecognised(home: Home) -> int:
    note = state.read(home.data)
    devices = [device for device in note.devices.values() if SENDER in device.source] if note else []
    return sum(device.ledger["unrecognised"] for device in devices)


def test_nothing_that_was_planted_comes_out(planted: Home, tmp_path: Path) -> None:
    log = tmp_path / "log"
    # Without the proxy, which is not there, so that lines arrive and the note is full of them.
    process = start(log, "collector", "run", "--config", str(planted.path))
    try:
        wait_for("the collector", lambda: b"collector.running" in log.read_bytes())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((SENDER, 0))
            for number in range(20):
                said = f"{PERSON} <{MAILBOX}> from {INSIDE} to {SIX} token {TOKEN} number {number}"
                line = f"<13>Nov 20 12:00:00 {HOST} mystery: {said}"
                sender.sendto(line.encode(), ("127.0.0.1", planted.udp))
        wait_for("the device and all its lines", lambda: _unrecognised(planted) == 20)
        assert any(SENDER in check.found for check in examine(planted.path)), "the test would prove nothing"
        parts = gather(planted.path, lambda: [*LOG, *log.read_text().splitlines()])
    finally:
        assert end(process) == 0
    said = texts(parts)
    for secret in (*PLANTED, *secrets_of(planted), socket.gethostname()):
        assert secret not in said, secret
    assert re.search(r'"devices": \{\s*"d-', said), "devices are there, by id"
    assert '"unrecognised": 20' in said
    assert "mystery" not in said


def test_what_helps_is_there(planted: Home, centre: FakeCentre) -> None:
    parts = {part.name: part.content for part in gather(planted.path, lambda: LOG)}
    assert set(parts) == {
        "README.txt", "configuration.json", "check.json", "doctor.json", "versions.json", "system.json", "state.json",
        "samples.json", "log.txt",
    }  # fmt: skip
    settings = json.loads(parts["configuration.json"])
    assert settings["networks"] == {"trusted": ["[network]/32"], "own": ["[network]/29"]}
    assert settings["proxy"] == "[a proxy]"
    assert settings["listen"]["udp"] == [f"127.0.0.1:{planted.udp}"]
    links = [check["link"] for check in json.loads(parts["doctor.json"])]
    assert {"Enrolment", "Disk", "Program", "Centre"} <= set(links)
    assert json.loads(parts["versions.json"])["cyberalarm"] == "0.1.0"
    assert json.loads(parts["system.json"])["memory"]
    lines = parts["log.txt"].splitlines()
    assert json.loads(lines[0]) == json.loads(LOG[0]), "our own lines stay as they are"
    assert json.loads(lines[2])["code"] == "chain-gap"
    for name in parts.keys() - {"README.txt"}:
        assert name in parts["README.txt"]


def test_keys_that_are_none_of_ours_keep_their_values_to_themselves(home: Home) -> None:
    home.path.write_text(f'api_key = "{TYPO}"\n"{PERSON}" = 1\n[networks]\npassword = "{PASSWORD}"\nown = ["{OWN}"]\n')
    said = texts(gather(home.path, list))
    for secret in (TYPO, PERSON, PASSWORD, OWN):
        assert secret not in said
    assert "no key of the collector's" in said


def test_a_file_that_cannot_be_read_gives_nothing_away(home: Home) -> None:
    home.path.write_text(f'proxy = "http://{LOGIN}:{PASSWORD}@x"\n= {TYPO}\n')
    said = texts(gather(home.path, list))
    for secret in (LOGIN, PASSWORD, TYPO):
        assert secret not in said


def test_the_person_sees_the_list_and_is_asked(member: Home, tmp_path: Path) -> None:
    target = tmp_path / "support.zip"
    refused = cyberalarm("collector", "support", str(target), "--config", str(member.path))
    assert (refused.returncode, target.exists()) == (1, False)
    assert "doctor.json" in refused.stdout
    assert "(code: not-confirmed)" in refused.stderr
    done = cyberalarm("collector", "support", str(target), "--yes", "--config", str(member.path))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with zipfile.ZipFile(target) as bundle:
        assert bundle.testzip() is None
        shown = re.findall(r"^  (\S+)", done.stdout, re.MULTILINE)
        assert shown == bundle.namelist()
        assert bundle.read("README.txt").startswith(b"Support bundle")
    again = cyberalarm("collector", "support", str(target), "--yes", "--config", str(member.path))
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def test_a_bundle_is_never_written_over_anything(tmp_path: Path) -> None:
    target = tmp_path / "link"
    (tmp_path / "precious").write_text("precious")
    target.symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        write(target, [])
    assert (tmp_path / "precious").read_text() == "precious"


def test_defaults_without_any_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert not configuration.CollectorConfig().data.exists()
    names = [part.name for part in gather(None, list)]
    assert "configuration.json" in names


SHAPES = st.sampled_from(
    [
        "password={}", '"password": "{}"', "proxy http://u:{}@host:1/", "Authorization: Basic {}", "api_key = '{}'", "TOKEN:{}",
        "secret_thing={} next",
    ]
)  # fmt: skip
WORDS = st.text(alphabet="abcdefghijkmnpqrstuvwxyzABCDEFGH23456789", min_size=6, max_size=30).map(
    lambda text: f"Zq{text}"
)


@settings(deadline=None)
@given(st.text(max_size=30), SHAPES, WORDS, st.text(alphabet=" \n,;|", min_size=1, max_size=3))
def test_what_is_called_a_secret_never_stays(before: str, shape: str, secret: str, after: str) -> None:
    cleaned = Scrubber().clean(f"{before} {shape.format(secret)}{after}")
    assert secret not in cleaned


@settings(deadline=None)
@given(
    st.text(max_size=30), st.ip_addresses() | st.ip_addresses(network="10.0.0.0/8"), st.sampled_from(" \n,;()[]\"'=/")
)
def test_addresses_never_stay_and_are_numbered(around: str, address: object, mark: str) -> None:
    text = str(address)
    if text in {"0.0.0.0", "127.0.0.1", "::", "::1"}:
        return
    cleaned = Scrubber().clean(f"{around.replace(':', '').replace('.', '')}{mark}{text}{mark}{text}{mark}")
    assert text not in cleaned
    # What may be a mailbox goes whole.
    assert "@" in around or cleaned.count("[address") == 2


@settings(deadline=None)
@given(st.text())
def test_cleaning_is_total_and_leaves_nothing_to_clean(text: str) -> None:
    once = Scrubber(secrets=("hidden",)).clean(f"{text}hidden{text}")
    assert "hidden" not in once or "hidden" in text
    assert REMOVED in once or "hidden" in text


def test_long_runs_and_times() -> None:
    clean = Scrubber().clean
    assert clean(os.urandom(32).hex()) == REMOVED
    assert clean("at 12:00:07 on 2026-11-20") == "at 12:00:07 on 2026-11-20"
    assert clean("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----x") == f"{REMOVED}x"
    assert clean("fe80::1%eth0 00:1b:44:11:3a:b7") == "[address 1]%eth0 [hardware address]"
