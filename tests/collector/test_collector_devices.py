"""Device ids: stable at home, and nothing to learn from elsewhere."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.collector.config import Called
from cyberalarm.collector.devices import MOST_BEHIND, MOST_DEVICES, OTHERS, DeviceNames

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


def test_hosts_behind_a_relay_are_devices_of_their_own_and_the_first_is_the_address(tmp_path: Path) -> None:
    names = DeviceNames(tmp_path)
    alone = names.name("192.168.1.1")
    senders = [names.sender("192.168.1.1", host) for host in ("gw", "", "mail", "gw", "web")]
    assert senders == ["192.168.1.1", "192.168.1.1", "192.168.1.1 mail", "192.168.1.1", "192.168.1.1 web"]
    assert names.name(senders[0]) == alone
    assert len({names.name(sender) for sender in senders}) == 3
    assert names.sender("192.168.1.2", "mail") == "192.168.1.2"
    names.save()
    assert DeviceNames(tmp_path).sender("192.168.1.1", "mail") == "192.168.1.1 mail"
    assert DeviceNames(tmp_path).sender("192.168.1.1", "gw") == "192.168.1.1"


def test_a_sender_that_invents_hosts_takes_only_its_share(tmp_path: Path) -> None:
    names = DeviceNames(tmp_path)
    found = {names.name(names.sender("192.168.1.1", f"host{n}")) for n in range(5000)}
    assert len(found) == MOST_BEHIND + 1
    assert names.source("192.168.1.2") == "192.168.1.2"


def test_a_damaged_list_of_hosts_is_none(tmp_path: Path) -> None:
    for content in (b"", b"[1]", b"\xff", b'{"192.168.1.1": 7}'):
        (tmp_path / "devices.json").write_bytes(content)
        assert DeviceNames(tmp_path).sender("192.168.1.1", "7") == "192.168.1.1"


def test_devices_have_the_names_that_the_member_gives(tmp_path: Path) -> None:
    called = [Called(name="Mail", address="192.168.1.1", host="mail"), Called(name="Firewall", address="192.168.1.1")]
    names = DeviceNames(tmp_path, called)
    senders = [names.sender("192.168.1.1", host) for host in ("gw", "mail")]
    assert [names.label(sender) for sender in senders] == ["Firewall (192.168.1.1)", "Mail (192.168.1.1 mail)"]
    assert names.label("192.168.1.9") == "192.168.1.9"
