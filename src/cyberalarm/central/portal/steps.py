"""The way from a token to the first report, step by step: what is done, since when, and what the next step needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reached:
    """One step's fact: whether it was reached, and when, where that is known."""

    done: bool = False
    at: datetime | None = None

    @classmethod
    def when(cls, at: datetime | None, *, also: bool = False) -> Reached:
        """Reached at that time; `also`: it was reached, though nobody wrote down when."""
        return cls(at is not None or also, at)


NOT_REACHED = Reached()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a collector has come."""

    token: Reached = NOT_REACHED
    enrolled: Reached = NOT_REACHED
    status: Reached = NOT_REACHED
    line: Reached = NOT_REACHED
    recognised: Reached = NOT_REACHED
    suspicious: Reached = NOT_REACHED
    report: Reached = NOT_REACHED


@dataclass(frozen=True, slots=True)
class Step:
    """One step in words. `now`: it is the one that is missing next; `missing` says what it needs."""

    title: str
    done: bool
    at: datetime | None
    now: bool
    missing: str


_STEPS: tuple[tuple[str, str, str], ...] = (
    ("token", "Token made", "Renew the token: then you get the line to paste."),
    (
        "enrolled",
        "Collector enrolled",
        "Install the collector, run “cyberalarm collector enrol” on its computer, and paste the token when it asks.",
    ),
    (
        "status",
        "It runs and reaches us",
        "Start it: “cyberalarm collector run”, or its service. It must reach this site on port 443.",
    ),
    (
        "line",
        "First log line arrived",
        "Point your firewall's syslog at the collector's address, UDP port 514.",
    ),
    (
        "recognised",
        "First line recognised",
        "What arrives is in no format that we know. Look up your device in our guides, or tell us which it is.",
    ),
    (
        "suspicious",
        "First suspicious event",
        (
            "You need do nothing. A firewall on the Internet usually sees one within the hour: if a day passes, check that it logs"
            " what it blocks."
        ),
    ),
    ("report", "First report", "You need do nothing. Reports are made each Monday morning, of the week before."),
)


def steps(progress: Progress) -> tuple[Step, ...]:
    """All steps. One that was passed without a note of it is done all the same: whoever sends lines is enrolled."""
    reached = [getattr(progress, name) for name, _, _ in _STEPS]
    # A report comes of itself, also to who has no suspicious event; it proves none of the steps before it.
    last = max((at for at, one in enumerate(reached[:-1]) if one.done), default=-1)
    done = [one.done or at < last for at, one in enumerate(reached)]
    upcoming = next((at for at, passed in enumerate(done) if not passed), None)
    return tuple(
        Step(title, done[at], reached[at].at, at == upcoming, "" if done[at] else missing)
        for at, (_, title, missing) in enumerate(_STEPS)
    )
