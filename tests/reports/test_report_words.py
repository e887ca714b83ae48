"""Plain words, days and places."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.reports import words
from cyberalarm.central.reports.counting import place
from cyberalarm.central.reports.figures import PortKey
from cyberalarm.central.reports.pdf import printable
from cyberalarm.central.reports.period import LONDON, Period
from cyberalarm.central.reports.places import UNKNOWN, Places, _Extra, _flatten, country_names
from cyberalarm.central.reports.tables import safe_cell
from cyberalarm.core.addresses import network_range, pack
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


@given(st.text())
def test_shown_text_holds_nothing_that_hides_or_moves(text: str) -> None:
    shown = words.shown(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert words.shown(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


@given(st.text())
def test_cells_never_begin_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert cell.lstrip(" \u00a0\u3000")[:1] not in tuple("=+-@＝＋－＠\t\r\n")
    assert cell in (text, f"'{text}")


@given(st.text())
def test_text_for_pdf_says_every_letter(text: str) -> None:
    said = printable(text)
    for character in unicodedata.normalize("NFC", text):
        assert character in said or f"[U+{ord(character):04X}]" in said


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_shares_never_round_to_nothing_or_all(part: int, rest: int) -> None:
    said = words.share(part, part + rest)
    assert (said == "none") == (part == 0)
    assert (said == "all") == (part > 0 and rest == 0)


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (100, 100, "the same as"),
        (105, 100, "about the same as"),
        (132, 100, "32% more than"),
        (60, 100, "40% fewer than"),
        (200, 100, "about twice as many as"),
        (510, 100, "about five times as many as"),
        (30, 1, "more than"),
        (0, 4_000, "fewer than"),
    ],
)
def test_change_in_words(now: int, before: int, said: str) -> None:
    assert words.change(now, before) == said


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ([], ""),
        ([9], "Mon 9 Nov"),
        ([9, 10], "Mon 9 Nov and Tue 10 Nov"),
        ([9, 10, 11], "Mon 9 Nov to Wed 11 Nov"),
        ([9, 11, 12, 13, 15], "Mon 9 Nov, Wed 11 Nov to Fri 13 Nov and Sun 15 Nov"),
        ([2, 4, 6, 8, 10], "Mon 2 Nov, Wed 4 Nov, Fri 6 Nov, Sun 8 Nov and other days"),
    ],
)
def test_days_in_words(of: list[int], said: str) -> None:
    assert words.days([date(2026, 11, day) for day in of]).replace("\xa0", " ") == said


def test_ports_in_words() -> None:
    assert words.port_words(PortKey(3389, 6)) == "Remote desktop (RDP)"
    assert words.port_code(PortKey(123, 17)) == "123/UDP"
    assert words.port_code(PortKey(None, 1)) == "ICMP"
    assert words.port_words(PortKey(37777, 6)) == "No common use known"


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 366))
def test_periods_adjoin_and_hold_whole_days(last: date, days: int) -> None:
    period = Period.ending(last, days)
    assert len(period.days) == days
    assert period.previous.end == period.start
    assert period.previous.length == days
    assert period.start.astimezone(LONDON).time() == period.end.astimezone(LONDON).time()
    hours = (period.end - period.start) / timedelta(hours=1)
    assert abs(hours - 24 * days) <= 1


def test_last_week_ends_the_day_before() -> None:
    made = datetime(2026, 6, 7, 23, 30, tzinfo=UTC)  # half past midnight on the 8th in London
    assert Period.last_week(made) == Period(date(2026, 6, 1), date(2026, 6, 7))
    assert Period.last_week(made).words == "1 to 7 June 2026"


def test_extra_networks_outrank_and_the_narrowest_wins(tmp_path: Path) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text(
        "network,country\n203.0.113.0/24,NL\n203.0.113.128/25,de\n203.0.113.130/32,GB\n2001:db8::/32,FR\n10.0.0.0/8,US\n"
    )
    places = Places(None, extra)
    wanted = {
        "203.0.113.1": "NL",
        "203.0.113.128": "DE",
        "203.0.113.130": "GB",
        "203.0.113.131": "DE",
        "203.0.114.0": UNKNOWN,
        "203.0.112.255": UNKNOWN,
        "2001:db8:ffff::1": "FR",
        "2001:db9::": UNKNOWN,
        "10.1.2.3": "US",
    }
    assert {address: places.country(pack(address)) for address in wanted} == wanted


@given(
    st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(16, 32)), max_size=12),
    st.integers(0, 2**16 - 1),
)
def test_extra_networks_equal_a_straight_search(networks: list[tuple[int, int]], probe: int) -> None:
    codes = sorted(country_names())
    base = int(IPv4Address("198.18.0.0"))
    rows: dict[IPv4Network, str] = {}
    for at, (offset, length) in enumerate(networks):
        rows[IPv4Network((base + offset, length), strict=False)] = codes[at]
    places = Places()
    places._starts, places._codes = _flatten([_Extra(*network_range(n), c) for n, c in rows.items()])
    address = IPv4Address(base + probe)
    holding = sorted((n for n in rows if address in n), key=lambda n: n.prefixlen)
    assert places.country(pack(address)) == (rows[holding[-1]] if holding else UNKNOWN)


@pytest.mark.parametrize("line", ["203.0.113.0/24", "203.0.113.0/24,ZZ", "not a network,GB"])
def test_broken_extra_networks_name_the_line(tmp_path: Path, line: str) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text(f"# ours\n{line}\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        Places(None, extra)


def test_a_broken_database_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    with pytest.raises(ConfigurationError, match=r"broken\.mmdb"):
        Places(broken)
    with pytest.raises(ConfigurationError, match=r"missing\.mmdb"):
        Places(tmp_path / "missing.mmdb")


def test_unlisted_addresses_count_as_not_known(tmp_path: Path) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text("203.0.113.0/24,GB\n198.51.100.0/24,NL\n")
    listed = [
        (pack("203.0.113.1"), 5),
        (pack("198.51.100.1"), 3),
        (pack("192.0.2.1"), 2),
        (pack("10.0.0.1"), 4),
    ]
    origins = place(listed, Places(None, extra), placeable=20, own=1, no_address=7)
    assert (origins.inside, origins.outside, origins.unplaced, origins.private) == (5, 3, 8, 4)
    assert origins.total == 28
