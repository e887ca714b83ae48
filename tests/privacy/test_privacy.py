"""Nothing of people's leaves: planted names, mailboxes, pages, hosts, cookies and contents are in no bundle.

`make privacy` takes many more lines.
"""

from __future__ import annotations

import random
import re

import pytest

from tests.privacy import fuzz, planting
from tests.privacy.planting import MARK, SECRETS, Sown, kind_of, sown

LINES = 150_000


@pytest.fixture(scope="module")
def field() -> list[Sown]:
    return planting.field()


def test_no_planted_secret_is_in_any_sealed_bundle(field: list[Sown]) -> None:
    found = fuzz.run(LINES, 20261118, field)
    assert found.lines == LINES
    assert found.known > 0.95 * LINES, "lines that are not understood would prove nothing"
    assert found.events > LINES / 4
    assert found.leaks == []
    assert found.inside == 0


def test_every_kind_of_secret_is_planted_in_many_products(field: list[Sown]) -> None:
    for kind in SECRETS:
        assert len({one.product for one in field if kind in one.kinds}) >= 5, kind
    assert len({one.product for one in field}) >= 220


def test_a_leak_would_be_found() -> None:
    """The same search, on a line whose secret stands where a product writes the name of what it detected."""
    line = b"<4>Mar  9 12:00:00 gateway suricata[1]: [1:2000001:1] ET SCAN zqxuser1 [Classification: A] [Priority: 1] {TCP} "
    line += b"198.51.100.7:4444 -> 192.0.2.7:80"
    found = fuzz.Found()
    for sieved in (False, True):
        site = fuzz.Site(found, sieved=sieved)
        site.take([line])
        site.close()
    assert found.leaks == ["signature: ET SCAN zqxuser1"] * 2


@pytest.mark.parametrize(
    ("line", "planted"),
    [
        (b'user="alice" srcip=192.0.2.1', rb'user="[^"]*zqx[^"]*" srcip=192\.0\.2\.1'),
        (b'{"sender":"a@example.org","n":1}', rb'\{"sender":"[^"]*zqx[^"]*@[\w.]+","n":1\}'),
        (b"GET http://example.org/a?b=c HTTP", rb"GET https?://\S*zqx\S* HTTP"),
        (b"<Computer>pc1</Computer>", rb"<Computer>zqx[^<]*</Computer>"),
        (b"mail from bob.smith@example.net ok", rb"mail from zqx\S*@example\.net ok"),
    ],
)
def test_secrets_stand_where_people_s_values_stood(line: bytes, planted: bytes) -> None:
    one = sown("made-up", line, {})
    for number in range(20):
        assert re.fullmatch(planted, one.grown(random.Random(number), number)), one


def test_no_example_holds_the_mark_and_names_are_told_apart(field: list[Sown]) -> None:
    assert not any(MARK in part for one in field for part in one.parts)
    assert [kind_of(name) for name in ("srcuser", "dhost", "usertype", "hostip", "SecurityEvent", "request_uri")] == [
        "user", "host", None, None, None, "page",
    ]  # fmt: skip
