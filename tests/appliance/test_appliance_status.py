"""What the screen says of how things are: the doctor's own findings, in words for who is no technician."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cyberalarm.appliance.machine import Link
from cyberalarm.appliance.status import summary
from cyberalarm.collector import checking
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.doctor.devices import nothing_arrives
from cyberalarm.collector.doctor.links import _configuration, _program

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.doctor.check import Check

UNKNOWN = {"received": 100, "outcomes": {"unrecognised": 100}}


def links(*checks: Check) -> list[Link]:
    """As the machine gets them from `doctor --output json`."""
    return [Link(check.link, str(check.verdict), check.found, check.next_step) for check in checks]


def _findings(folder: Path) -> list[Check]:
    """What the doctor finds amiss on machines of members, by its own functions."""
    config = CollectorConfig(data=folder)
    (folder / "collector.toml").write_text(f'data = "{folder}"\n')
    return [
        nothing_arrives(config, None),
        _program(None, running=False),
        *_configuration(checking.check(folder / "collector.toml"), folder / "collector.toml"),
    ]


def test_what_is_found_at_members_is_said_without_commands_and_paths(tmp_path: Path) -> None:
    for check in _findings(tmp_path):
        said = "\n".join(summary(links(check)))
        assert check.link in said
        assert not re.search(r"sudo|systemctl|journalctl|tcpdump|docs/|`|/etc/|networks\.own", said), said
        assert re.search(r"press M|Press M|syslog server", said), "what to do, here or at the firewall"


def test_what_is_wrong_comes_first_and_warnings_of_the_configuration_last() -> None:
    said = summary(
        [
            Link("Configuration", "attention", "Odd.", "Mend it."),
            Link("Devices", "attention", "Odd, too.", "Point it here."),
            Link("Centre", "bad", "Away.", "Wait."),
            Link("Disk", "good", "Room.", ""),
        ]
    )
    assert said[0::2] == [
        "NOT WORKING: Centre. Away.",
        "Needs attention: Devices. Odd, too.",
        "Needs attention: Configuration. Odd.",
    ]
    assert said[1::2] == ["    Wait.", "    Point it here.", "    Mend it."]


def test_a_few_troubles_are_told_and_the_others_counted() -> None:
    said = summary([Link(f"Link {number}", "bad", "Odd.", "") for number in range(5)])
    assert said == [*(f"NOT WORKING: Link {number}. Odd." for number in range(3)), "And 2 more: press M, then 1."]


def test_all_is_well_says_what_arrives_and_what_was_sent_and_no_more() -> None:
    sent = "0 bundles receipted since the start, 0 waiting."
    good = [Link("Device fw", "good", "5 lines from 192.0.2.1.", ""), Link("Sending", "good", sent, "")]
    assert summary(good) == ["All is well.", "    Device fw: 5 lines from 192.0.2.1.", f"    Sent: {sent}"]
    assert summary([]) == ["All is well."]


def test_a_proxys_password_that_programs_of_this_machine_can_read_is_of_no_concern(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(
        f'data = "{tmp_path}"\nproxy = "http://user:secret@proxy.example:3128"\n[networks]\nown = ["203.0.113.9"]\n'
    )
    path.chmod(0o644)
    tmp_path.chmod(0o700)
    found = [check for check in _configuration(checking.check(path), path) if "password" in check.found]
    assert len(found) == 1
    assert summary(links(*found)) == ["All is well."]
