"""Redaction: the form stays, nothing of what the line says can be read back, on any bytes and at bounded cost."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cyberalarm.collector.drift.redact import LONGEST, redact
from tests.collector.members import STRANGE, blocked

# Letters that are in no word of the vocabulary: what a person, a host or a password could be called.
secrets = st.text("qxjzkvQXJZKV", min_size=4, max_size=20)


@pytest.mark.parametrize(
    ("line", "form"),
    [
        (
            b'<134>Nov 18 09:15:00 gw app[7]: user="bob" src=192.0.2.1',
            '<134>Nov 00 00:00:00 … app[0]: user="…" src=…',
        ),
        (STRANGE, "<13>Mar  0 00:00:00 gateway …: the … … on the …"),
        (
            b"<14>1 2026-11-18T09:15:00.123Z fw.example.org sshd 42 - - Failed password for alice from 2001:db8::1 port 22",
            "<14>0 0000-00-00T00:00:00.000Z … sshd 00 - - Failed password for … from [address] port 00",
        ),
        (
            b'{"src_ip":"192.0.2.1","n":5,"user":{"name":"bob"}}',
            '{"src_ip":"…","n":0,"user":{"name":"…"}}',
        ),
        (b"CEF:0|Fortinet|x|1|2|n|3|suser=bob smith msg=hi", "CEF:0|Fortinet|…|0|0|…|0|suser=… … msg=…"),
        (b"to bob@example.org see https://example.org/?u=bob&x=y now", "to [mailbox] … [url] …"),
        (b"Authorization: Basic YWxpY2U6c2VjcmV0cw==", "Authorization: … …=="),
        (b"May logged in, mac 00:11:22:aa:bb:cc", "… logged in, mac [address]"),
    ],
)
def test_what_stays(line: bytes, form: str) -> None:
    assert redact(line) == form


@given(st.binary(max_size=5000))
@example(b'"' * 3000)
@example(b'\\"' * 3000)
@example("ü–…".encode() * 900)
@settings(deadline=None)
def test_total_and_bounded(line: bytes) -> None:
    form = redact(line)
    assert len(form.encode()) <= LONGEST
    assert not re.search(r"[1-9]", re.sub(r"\A<[0-9]{1,3}>", "", form)), "a digit was read back"
    assert all(c == "…" or (c.isascii() and c.isprintable()) for c in form)


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(lambda ip: int(ip) > 2**20).map(str)
free = st.text(st.characters(codec="utf-8", exclude_characters="=:\"'`qxjzkvQXJZKV"), max_size=30)


@given(before=free, after=free, address=addresses)
@settings(deadline=None)
def test_no_address_survives(before: str, after: str, address: str) -> None:
    for around in ("{}", " {} ", '"{}"', "src={}", "({})", "[{}]:80", "a{}", "{}/24", '{{"ip":"{}"}}', "inside:{}/443"):
        form = redact(f"{before}{around.format(address)}{after}".encode())
        assert address not in form
        assert ipaddress.ip_address(address).exploded not in form


@given(st.emails(), free)
@settings(deadline=None)
def test_no_mailbox_survives(mailbox: str, before: str) -> None:
    local = mailbox.rpartition("@")[0]
    for around in ("{}", "<{}>", 'to="{}"', "from={},", "'{}'", '{{"m":"{}"}}'):
        form = redact(f"{before} {around.format(mailbox)}".encode())
        assert mailbox not in form
        assert "@" not in form or "@" in before or not local.isalnum()


@given(secret=secrets, before=free)
@settings(deadline=None)
def test_no_word_of_a_person_survives(secret: str, before: str) -> None:
    """Quoted, as a value, in free text, in web addresses and paths, cut off, and beside keys that stay."""
    for around in (
        "{}", '"{}"', "'{}'", "`{}`", '"a\\"{}"', 'user="{}', "user={}", "user='{} {}'", "msg={} {}", "for {} from",
        "corp\\{}", "/home/{}/x", "https://x/{}?{}={}", "{}.example.org", "{}-pc", "{}1", "7{}", "cn={},ou={}", "({})",
        '{{"user":"{}"}}', '{{"a":["{}","{}"],"b":1}}', "<b>{}</b>", "{}==", "é{}", "{}=", "user:{}", "%{}", "#{}$",
        'said "{}": no', "key = {}", "key= {}",
    ):  # fmt: skip
        line = f"<13>Mar  9 12:00:00 gateway x: {around.replace('{}', secret)} end"
        assert secret.lower() not in redact(line.encode()).lower(), around
        assert secret.lower() not in redact((before + around.replace("{}", secret)).encode()).lower(), around


@given(st.integers(0, 2**63), st.text("0123456789", min_size=5, max_size=40))
@settings(deadline=None)
def test_no_number_survives(count: int, digits: str) -> None:
    form = redact(f"<13>x {count} id={digits} ({digits}) {digits}Z a{digits}b".encode())
    assert not re.search(r"[1-9]", form.removeprefix("<13>"))


def test_lines_of_the_same_form_are_the_same() -> None:
    assert redact(blocked(1)) == redact(blocked(40)) != redact(STRANGE)


def test_the_vocabulary_has_no_names_of_people() -> None:
    from cyberalarm.collector.drift.redact import _words

    assert {"kernel", "from", "failed"} <= _words()
    assert not _words() & {
        "alice",
        "bob",
        "john",
        "mark",
        "will",
        "grant",
        "may",
        "june",
        "april",
        "rose",
        "frank",
        "pan",
    }
    assert all(word.isalpha() and word.islower() and len(word) > 1 for word in _words())
