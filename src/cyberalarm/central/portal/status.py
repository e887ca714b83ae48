"""What state a member and its collectors are in, in plain words.

Pure: values in, words out. "No data yet" never appears: each state says exactly what is missing and what
to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cyberalarm.central.members.models import Collector, Member

# A device on the Internet logs something every day, so a day of silence means that something stands still.
QUIET_AFTER = timedelta(hours=24)


class State(StrEnum):
    """Where one collector stands, from the first step to the last."""

    WAITING = "waiting"
    EXPIRED = "expired"
    ENROLLED = "enrolled"
    RECEIVING = "receiving"
    QUIET = "quiet"
    STOPPED = "stopped"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str
    tag: str


WORDS: dict[State, Words] = {
    State.WAITING: Words(
        "Waiting to be installed",
        "The collector is set up here, but nobody has installed it yet. Run the command that was shown with its token.",
        "orange",
    ),
    State.EXPIRED: Words(
        "Token has expired",
        "The collector was not installed in time and its token no longer works."
        " Renew the token and run the new command.",
        "red",
    ),
    State.ENROLLED: Words(
        "Enrolled, nothing received yet",
        "The collector is installed and known here, but has not sent anything. Point your firewall's syslog at it.",
        "orange",
    ),
    State.RECEIVING: Words("Receiving", "The collector is sending.", "green"),
    State.QUIET: Words(
        "Silent for more than a day",
        "The collector used to send and has stopped. Check that it runs and can reach this site on port 443.",
        "red",
    ),
    State.STOPPED: Words("Stopped by the centre", "Your contact has stopped this collector. Write to them.", "grey"),
    State.REVOKED: Words("Revoked", "This collector may no longer send. Provision a new one if you need it.", "grey"),
}


def state_of(
    status: str, token_expires: datetime | None, received: int, last_seen: datetime | None, now: datetime
) -> State:
    """Where a collector stands. `received` counts the lines that it has reported so far."""
    match status:
        case Collector.Status.REVOKED:
            return State.REVOKED
        case Collector.Status.STOPPED:
            return State.STOPPED
        case Collector.Status.PROVISIONED:
            return State.EXPIRED if token_expires is not None and token_expires < now else State.WAITING
    if not received:
        return State.ENROLLED
    return State.RECEIVING if last_seen is not None and now - last_seen <= QUIET_AFTER else State.QUIET


@dataclass(frozen=True, slots=True)
class Headline:
    """The first thing a member reads. `mood` is good, waiting or bad."""

    title: str
    text: str
    mood: str


def headline(member_status: str, sites: int, states: list[State]) -> Headline:
    """One sentence for the whole membership, and what to do next."""
    match member_status:
        case Member.Status.PENDING:
            return Headline(
                "Waiting for approval",
                "A Cyber Protect officer of your force will look at your sign-up. You need do nothing until then.",
                "waiting",
            )
        case Member.Status.DECLINED:
            return Headline(
                "Not approved",
                "Your sign-up was not approved. Write to us if you think this is wrong.",
                "bad",
            )
        case Member.Status.LEFT:
            return Headline("Membership ended", "Your organisation has left. Nothing is collected any more.", "bad")
    active = [state for state in states if state is not State.REVOKED]
    if not active:
        next_step = (
            "Add a site first, then provision a collector for it."
            if not sites
            else "Provision a collector for your site."
        )
        return Headline(
            "You are a member; no collector is provisioned",
            f"Your membership is valid without one, but we cannot see suspicious activity on your network. {next_step}",
            "waiting",
        )
    for state in (State.QUIET, State.EXPIRED, State.STOPPED, State.WAITING, State.ENROLLED):
        count = active.count(state)
        if count:
            which = "Your collector" if len(active) == 1 else f"{count} of {len(active)} collectors"
            mood = "bad" if state in (State.QUIET, State.EXPIRED, State.STOPPED) else "waiting"
            return Headline(f"{which}: {WORDS[state].title.lower()}", WORDS[state].text, mood)
    return Headline("Everything is working", "All your collectors are sending.", "good")
