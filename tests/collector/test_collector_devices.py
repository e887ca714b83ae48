"""Device ids: stable at home, and nothing to learn from elsewhere."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.collector.devices import MOST_DEVICES, OTHERS, DeviceNames

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = [str(ip_address("10.0.0.0") + n) for n in range(1000)]


def test_an_id_is_stable_across_restarts(tmp_path: Path) -> None:
    first = [DeviceNames(tmp_path).name(address) for address in ADDRESSES]
    again = DeviceNames(tmp_path)
    assert [again.name(address) for address in reversed(ADDRESSES)] == first[::-1]
    assert len(set(first)) == len(ADDRESSES)
    assert all(re.fullmatch("d-[23456789bcdfghjkmnpqrstvwxz]{6}", name) for name in first)


def test_an_id_cannot_be_looked_up_elsewhere(tmp_path: Path) -> None:
    """Who has the ids but not the salt cannot find the address by trying all of them: another salt gives other ids."""
    ours = {DeviceNames(tmp_path / "ours").name(address) for address in ADDRESSES}
    theirs = {DeviceNames(tmp_path / "theirs").name(address) for address in ADDRESSES}
    assert len(ours & theirs) <= 1  # of 27^6, by chance
    salt = tmp_path / "ours" / "devices.salt"
    assert len(salt.read_bytes()) == 32
    assert salt.stat().st_mode & 0o077 == 0


@given(source=st.text())
def test_any_source_has_an_id_that_fits_the_event(source: str, tmp_path_factory) -> None:
    assert len(DeviceNames(tmp_path_factory.getbasetemp() / "any").name(source).encode()) == 8


def test_a_salt_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "devices.salt").write_bytes(b"")
    DeviceNames(tmp_path)
    assert len((tmp_path / "devices.salt").read_bytes()) == 32


def test_the_number_of_devices_is_bounded(tmp_path: Path) -> None:
    names = DeviceNames(tmp_path)
    found = [names.name(f"2001:db8::{n:x}") for n in range(MOST_DEVICES + 500)]
    assert len(set(found)) == MOST_DEVICES + 1
    assert names.source("2001:db8::ffff") == OTHERS
    assert names.name("2001:db8::0") == found[0], "those that were there first keep theirs"
