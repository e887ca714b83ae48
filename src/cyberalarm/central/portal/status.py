"""What state a member and its collectors are in, in plain words.

Pure: values in, words out. "No data yet" never appears: each state says exactly what is missing and what
to do next. "Everything is working" appears only where every collector's log lines were receipted within a day, and their devices'
lines are understood as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils import timezone

from cyberalarm.central.members.models import Collector, Member

if TYPE_CHECKING:
    from cyberalarm.central.ingest.refusals import Refusal

# A device on the Internet logs something every day, so a day of silence means that something stands still.
QUIET_AFTER = timedelta(hours=24)
# Anybody can claim to be a collector. One that works is receipted every minute or so, and its page must not turn red
# because a stranger uses its name: a refusal that is only claimed counts once nothing was receipted for this long.
CLAIM_AFTER = timedelta(hours=1)
# So many lines of a device show whether its format is known.
ENOUGH_LINES = 200


class State(StrEnum):
    """Where one collector stands, from the first step to the last."""

    WAITING = "waiting"
    EXPIRED = "expired"
    ENROLLED = "enrolled"
    RECEIVING = "receiving"
    REFUSED = "refused"
    NO_LINES = "no_lines"
    QUIET = "quiet"
    STOPPED = "stopped"
    REVOKED = "revoked"


# Worst first: the order in which a member should look.
TROUBLES = (State.REFUSED, State.NO_LINES, State.QUIET, State.EXPIRED, State.STOPPED)


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str
    tag: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a collector. `seen`: it proved who it is; `receipted`, `lines`: newest bundle, newest log lines."""

    status: str
    token_expires: datetime | None = None
    enrolled: datetime | None = None
    seen: datetime | None = None
    receipted: datetime | None = None
    lines: datetime | None = None
    refusal: Refusal | None = None


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
    State.REFUSED: Words(
        "Reaches us, but its bundles are refused", "The collector reaches us, but its bundles are refused.", "red"
    ),
    State.NO_LINES: Words(
        "Reaches us, but no log lines arrive",
        "The collector runs and reaches us, but for more than a day no device has sent it a log line."
        " Check that your firewall still sends syslog to the collector's address, and run: cyberalarm collector doctor",
        "red",
    ),
    State.QUIET: Words(
        "Silent for more than a day",
        "We have not heard from the collector for more than a day."
        " Check that it runs and can reach this site on port 443.",
        "red",
    ),
    State.STOPPED: Words(
        "Stopped by the centre",
        "Your police contact has stopped this collector. It goes on gathering, keeps what it gathers, and sends nothing"
        " until they let it go on. Write to them.",
        "grey",
    ),
    State.REVOKED: Words(
        "Revoked",
        "This collector was withdrawn for good and may no longer send. You can switch it off; provision a new one if"
        " you need it.",
        "grey",
    ),
}

_TOKEN = "Renew the token on the collector's page, and enrol the collector again with it."  # noqa: S105 - words
_CHAIN = (
    "What it sends does not follow what we hold, as after it was restored from a backup."
    " Renew the token on its page, then run: cyberalarm collector enrol TOKEN --set-aside"
)
_CLOCK = "Set the clock of the collector's computer, and those of the devices that send to it."
_UPDATE = "Update the collector's program. If that does not help, write to your contact and give the code."
_OURS = "The fault is at the centre, not with you. You need do nothing."
_ASK = "Write to your contact and give the code."
# What to do, by the code of docs/collector-api.md; `_ASK` for every other.
_ADVICE: dict[str, str] = {
    **dict.fromkeys(("envelope-signature", "request-signature", "collector-unknown"), _TOKEN),
    **dict.fromkeys(("chain-gap", "chain-forked", "envelope-replayed"), _CHAIN),
    **dict.fromkeys(("request-time", "events-time"), _CLOCK),
    **dict.fromkeys(("envelope-version", "envelope-suite", "events-schema", "events-enum"), _UPDATE),
    **dict.fromkeys(("busy", "store-unavailable", "envelope-key-unknown"), _OURS),
}


def state_of(signs: Signs, now: datetime) -> State:
    """Where a collector stands. Only what was receipted counts as sent: asking for the status proves nothing."""
    match signs.status:
        case Collector.Status.REVOKED:
            return State.REVOKED
        case Collector.Status.STOPPED:
            return State.STOPPED
        case Collector.Status.PROVISIONED:
            expired = signs.token_expires is not None and signs.token_expires < now
            return State.EXPIRED if expired else State.WAITING
    if standing_refusal(signs, now):
        return State.REFUSED
    if _recent(signs.lines, now):
        return State.RECEIVING
    if _recent(signs.enrolled, now) and signs.lines is None:
        return State.ENROLLED
    return State.NO_LINES if _recent(signs.seen, now) or _recent(signs.receipted, now) else State.QUIET


def standing_refusal(signs: Signs, now: datetime) -> Refusal | None:
    """The refusal that nothing receipted has answered yet, if it is of today and can be believed."""
    refusal = signs.refusal
    if refusal is None or not _recent(refusal.at, now) or (signs.receipted and signs.receipted >= refusal.at):
        return None
    believed = refusal.proven or signs.receipted is None or now - signs.receipted > CLAIM_AFTER
    return refusal if believed else None


def _recent(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now - moment <= QUIET_AFTER


def words_of(state: State, refusal: Refusal | None) -> Words:
    """What a person reads of a state; of a refusal its code, since when, and what to do."""
    words = WORDS[state]
    if state is not State.REFUSED or refusal is None:
        return words
    since = timezone.localtime(refusal.since)
    doubt = "" if refusal.proven else " The sender says to be this collector, but could not prove it."
    text = (
        f"The collector reaches us, but its bundles are refused: code {refusal.code},"
        f" since {since.day} {since:%B %Y at %H:%M}.{doubt}"
        f" Nothing is lost: the collector keeps what it could not send. {_ADVICE.get(refusal.code, _ASK)}"
    )
    return Words(words.title, text, words.tag)


@dataclass(frozen=True, slots=True)
class Standing:
    """A collector's state with what a person reads of it, and how many of its devices need a look."""

    state: State
    words: Words
    changed: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Headline:
    """The first thing a member reads. `mood` is good, waiting or bad."""

    title: str
    text: str
    mood: str


def is_unknown(received: int, unread: int) -> bool:
    """Are most lines of a device in no format that we know? Said once it has sent enough to judge by."""
    return received >= ENOUGH_LINES and unread * 2 > received


def headline(member_status: str, sites: int, collectors: list[Standing]) -> Headline:
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
            return Headline(
                "Membership ended",
                "Your organisation has left. Its collectors were revoked, and nothing is collected any more.",
                "bad",
            )
    active = [one for one in collectors if one.state is not State.REVOKED]
    return _of_collectors(active) if active else _without_collectors(sites, len(collectors))


def _without_collectors(sites: int, revoked: int) -> Headline:
    if revoked:
        return Headline(
            "Your collector was revoked" if revoked == 1 else "All your collectors were revoked",
            "They may no longer send, so we cannot see suspicious activity on your network."
            " Ask your contact why, and provision a new collector when that is settled.",
            "bad",
        )
    next_step = (
        "Provision a collector for your site." if sites else "Add a site first, then provision a collector for it."
    )
    return Headline(
        "You are a member; no collector is provisioned",
        f"Your membership is valid without one, but we cannot see suspicious activity on your network. {next_step}",
        "waiting",
    )


def _of_collectors(active: list[Standing]) -> Headline:
    for state in (*TROUBLES, State.WAITING, State.ENROLLED):
        found = [one for one in active if one.state is state]
        if found:
            which = "Your collector" if len(active) == 1 else f"{len(found)} of {len(active)} collectors"
            mood = "bad" if state in TROUBLES else "waiting"
            title = WORDS[state].title
            return Headline(f"{which}: {title[0].lower()}{title[1:]}", found[0].words.text, mood)
    if unknown := sum(one.unknown for one in active):
        return Headline(
            "We do not understand a device" if unknown == 1 else f"We do not understand {unknown} devices",
            "Your collectors are sending, but most lines of what is named below are in no format that we know."
            " Look at the device's page of our guide, or tell us which device it is.",
            "waiting",
        )
    if changed := sum(one.changed for one in active):
        return Headline(
            "A device's log has changed" if changed == 1 else f"{changed} devices' logs have changed",
            "Your collectors are sending. See below what has changed, and what to do.",
            "waiting",
        )
    return Headline("Everything is working", "All your collectors are sending.", "good")
