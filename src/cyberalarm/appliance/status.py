"""What the screen says of how things are, for somebody who is no technician. Pure: from the doctor's links to lines of text.

What is wrong stands before what needs attention, and a few things at most, since there is one thing to do at a time. Where the
doctor's next step is for a machine with an administrator, words for this one take its place; its own are in the menu. It never says
that something works which the doctor did not find to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.appliance.machine import Link

_MOST_TROUBLES = 3
_MOST_DEVICES = 5


@dataclass(frozen=True, slots=True)
class _Words:
    """Words in place of the doctor's, for links whose name begins with `link` and that found `holding`."""

    link: str
    holding: str
    next_step: str
    found: str = ""


_PLAIN = (
    _Words("Program", "", "Wait two minutes. If it stays so, restart this machine: press M, then 6."),
    _Words("Port ", "", "Restart this machine: press M, then 6."),
    _Words(
        "Devices",
        "Nothing has arrived",
        "In your firewall's settings, name the address above as syslog server, port 514, UDP. The centre's website has a page"
        " for each product. If it is set so, see whether another firewall stands between the two.",
    ),
    _Words(
        "Device ",
        "not recognised",
        "Its log may be set to another format: the centre's website has a page for each product. If its product is not"
        " there, tell your contact which it is.",
    ),
    _Words(
        "Configuration",
        "'networks.own'",
        "Press M, then 3. Your Internet provider's letter or your firewall's WAN page has them.",
        "Your public addresses are not named yet, so what comes in to them cannot be told from what passes by.",
    ),
    _Words(
        "Clock",
        "",
        "Let this machine reach a time server (NTP, UDP port 123), or set the clock of the computer that it runs on,"
        " and restart this machine: press M, then 6.",
    ),
)
# The proxy's password may be read by every account, and nobody has one on this machine but its programs.
_OF_NO_CONCERN = (("Configuration", "every account of this machine may read"),)


def summary(links: Sequence[Link], *, starting: bool = False) -> list[str]:
    """How things are, in a few lines."""
    if starting and any(link.name == "Program" and link.verdict != "good" for link in links):
        return ["The collector is starting. This takes up to a minute."]
    troubles = [link for link in _by_weight(links) if not _is_of_no_concern(link)]
    if not troubles:
        return ["All is well.", *_what_works(links)]
    said = []
    for link in troubles[:_MOST_TROUBLES]:
        found, next_step = _plain(link)
        words = "NOT WORKING" if link.verdict == "bad" else "Needs attention"
        said += [f"{words}: {link.name}. {found}", *([f"    {next_step}"] if next_step else [])]
    if len(troubles) > _MOST_TROUBLES:
        said.append(f"And {len(troubles) - _MOST_TROUBLES} more: press M, then 1.")
    return said


def _by_weight(links: Sequence[Link]) -> list[Link]:
    """What is wrong in the doctor's order; the configuration's warnings after what can be seen to be amiss."""
    bad = [link for link in links if link.verdict == "bad"]
    attention = [link for link in links if link.verdict == "attention"]
    return bad + sorted(attention, key=lambda link: link.name == "Configuration")


def _is_of_no_concern(link: Link) -> bool:
    return any(link.name == name and words in link.found for name, words in _OF_NO_CONCERN)


def _plain(link: Link) -> tuple[str, str]:
    for words in _PLAIN:
        if link.name.startswith(words.link) and words.holding in link.found:
            return words.found or link.found, words.next_step
    return link.found, link.next_step


def _what_works(links: Sequence[Link]) -> list[str]:
    """What arrives and what was sent, in the doctor's words."""
    devices = [link for link in links if link.name.startswith("Device ")]
    said = [f"    {link.name}: {link.found}" for link in devices[:_MOST_DEVICES]]
    if len(devices) > _MOST_DEVICES:
        said.append(f"    And {len(devices) - _MOST_DEVICES} more devices.")
    return [*said, *(f"    Sent: {link.found}" for link in links if link.name == "Sending")]
