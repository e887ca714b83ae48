"""What an episode is: scripted suspicious activity, known exactly, so that what is found can be held against
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyberalarm.lab.traffic import Flow


class Kind(StrEnum):
    VERTICAL_SCAN = "vertical_scan"
    HORIZONTAL_SWEEP = "horizontal_sweep"
    SLOW_SCAN = "slow_scan"
    SSH_GUESSING = "ssh_guessing"
    REMOTE_DESKTOP_GUESSING = "remote_desktop_guessing"
    AMPLIFICATION_VICTIM = "amplification_victim"
    AMPLIFICATION_REFLECTOR = "amplification_reflector"
    IDS_EXPLOIT = "ids_exploit"
    MALWARE = "malware"
    SPAM_RUN = "spam_run"
    SHARED_SOURCE = "shared_source"
    HOSTILE_TEXT = "hostile_text"


@dataclass(frozen=True, slots=True)
class Episode:
    """One scripted event.

    `member` is empty where it reaches all members. `sources` may be forged where `spoofable`.
    """

    id: str
    kind: Kind
    member: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    ports: tuple[int, ...]
    flows: tuple[Flow, ...]
    # rules that a correct centre raises; none where none must
    findings: tuple[str, ...]
    allowed: bool = False
    spoofable: bool = False
    cves: tuple[str, ...] = ()
    malware: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """The time an episode may use: the run's start and end (ms UTC)."""

    start: int
    end: int

    def at(self, share: float) -> int:
        """The instant this share of the way through."""
        return self.start + int((self.end - self.start) * share)
