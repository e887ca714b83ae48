"""What state a member and its collectors are in, in plain words.

Pure: values in, words out. "No data yet" never appears: each state says exactly what is missing and what
to do next. "Everything is working" appears only where every collector's log lines were receipted and recognised within a day, and
no alarm stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils import timezone

from cyberalarm.central.ingest.refusals import stands
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from cyberalarm.central.ingest.refusals import Refusal

# A device on the Internet logs something every day, so a day of silence means that something stands still.
QUIET_AFTER = timedelta(hours=24)


class State(StrEnum):
    """Where one collector stands, from the first step to the last."""

    WAITING = "waiting"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    NEVER_ASKED = "never_asked"
    ENROLLED = "enrolled"
    UNREAD = "unread"
    ONLY_NOISE = "only_noise"
    ONLY_INSIDE = "only_inside"
    CALM = "calm"
    RECEIVING = "receiving"
    REFUSED = "refused"
    TOO_OLD = "too_old"
    BEHIND = "behind"
    NO_LINES = "no_lines"
    QUIET = "quiet"
    STOPPED = "stopped"
    REVOKED = "revoked"


# Worst first: the order in which a member should look.
TROUBLES = (
    State.REFUSED,
    State.TOO_OLD,
    State.NO_LINES,
    State.QUIET,
    State.EXPIRED,
    State.WITHDRAWN,
    State.STOPPED,
    State.UNREAD,
)
# Not wrong, and not all there yet.
MISSING = (State.WAITING, State.NEVER_ASKED, State.ENROLLED, State.BEHIND, State.ONLY_NOISE, State.ONLY_INSIDE)
GOOD = (State.RECEIVING, State.CALM)


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str
    tag: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a collector. `seen`: it proved who it is; `receipted`, `lines`: newest bundle, newest log lines.

    `day`: what became of the lines of the last 24 hours; `token`: there is one that can still be used.
    """

    status: str
    token_expires: datetime | None = None
    enrolled: datetime | None = None
    seen: datetime | None = None
    receipted: datetime | None = None
    lines: datetime | None = None
    refusal: Refusal | None = None
    token: bool = True
    asked: datetime | None = None
    day: Ledger | None = None
    too_old: bool = False
    behind: bool = False


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
    State.WITHDRAWN: Words(
        "No token",
        "The collector is set up here, but its token was withdrawn. Renew the token and run the new command.",
        "red",
    ),
    State.NEVER_ASKED: Words(
        "Enrolled, but it does not run",
        "The collector has its keys, but has never asked us how things are, so it was not started, or cannot reach us on port 443."
        " Start it (cyberalarm collector run, or its service), then run: cyberalarm collector doctor",
        "orange",
    ),
    State.ENROLLED: Words(
        "It runs, but no device sends to it",
        "The collector is installed, runs and reaches us, but no device has sent it a log line. Point your firewall's syslog at the"
        " collector's address, UDP port 514; our guides say how for your device.",
        "orange",
    ),
    State.UNREAD: Words(
        "Lines arrive, but none is recognised",
        "The collector receives log lines, but all of the last 24 hours are in formats that we do not know. Look up your device in"
        " our guides and compare its log settings, or tell us which device it is.",
        "red",
    ),
    State.ONLY_NOISE: Words(
        "Lines arrive, but none is about traffic",
        "Your devices tell about themselves, and in the last 24 hours of no connection. Switch on the logging of blocked and"
        " allowed connections; our guides say how for your device.",
        "orange",
    ),
    State.ONLY_INSIDE: Words(
        "Lines arrive, but only of traffic from inside",
        "In the last 24 hours your devices told only of traffic inside your network or from it. Switch on the logging of what comes"
        " from the Internet, above all of what is blocked; our guides say how for your device.",
        "orange",
    ),
    State.CALM: Words(
        "Receiving, nothing suspicious",
        "The collector is sending and its lines are recognised. In the last 24 hours nothing suspicious was among them.",
        "green",
    ),
    State.RECEIVING: Words("Receiving", "The collector is sending.", "green"),
    State.TOO_OLD: Words(
        "Its program is too old",
        "This centre no longer takes what so old a program sends. The collector keeps what it gathers; update its program, and it"
        " is sent then.",
        "red",
    ),
    State.BEHIND: Words(
        "Receiving, but behind",
        "The collector is sending, but what it sends is from a while ago. Nothing is lost. If this lasts for hours, look at its"
        " line to the Internet.",
        "orange",
    ),
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
            if not signs.token:
                return State.WITHDRAWN
            expired = signs.token_expires is not None and signs.token_expires < now
            return State.EXPIRED if expired else State.WAITING
    if standing_refusal(signs, now):
        return State.REFUSED
    if signs.too_old:
        return State.TOO_OLD
    if _recent(signs.lines, now):
        return State.BEHIND if signs.behind else _of_lines(signs.day)
    if signs.lines is None and not _has_spoken(signs):
        return State.NEVER_ASKED
    if _recent(signs.enrolled, now) and signs.lines is None:
        return State.ENROLLED
    return State.NO_LINES if _recent(signs.seen, now) or _recent(signs.receipted, now) else State.QUIET


def _has_spoken(signs: Signs) -> bool:
    """Was it heard after it was enrolled? Enrolling itself counts as having been seen."""
    if signs.asked is not None or signs.receipted is not None:
        return True
    return signs.seen is not None and (signs.enrolled is None or signs.seen > signs.enrolled)


def _of_lines(day: Ledger | None) -> State:
    """What the lines of a day say. None, as before they were counted by the day, says that they came."""
    if day is None or not day.received or day.outcomes[Outcome.KEPT]:
        return State.RECEIVING
    counts = day.outcomes
    if not recognised(day):
        return State.UNREAD
    if counts[Outcome.NOISE] == recognised(day):
        return State.ONLY_NOISE
    if counts[Outcome.INTERNAL] + counts[Outcome.OUTBOUND] + counts[Outcome.NOISE] == recognised(day):
        return State.ONLY_INSIDE
    return State.CALM


def recognised(ledger: Ledger) -> int:
    """Lines whose format is known."""
    unread = (Outcome.UNRECOGNISED, Outcome.MALFORMED, Outcome.OVERFLOW)
    return ledger.received - sum(ledger.outcomes[outcome] for outcome in unread)


def standing_refusal(signs: Signs, now: datetime) -> Refusal | None:
    """The refusal that nothing receipted has answered yet, if it is of today and can be believed."""
    refusal = signs.refusal
    return refusal if refusal is not None and stands(refusal, signs.receipted, now) else None


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
    """A collector's state with what a person reads of it, and how many alarms stand there."""

    state: State
    words: Words
    alarms: int = 0


@dataclass(frozen=True, slots=True)
class Headline:
    """The first thing a member reads. `mood` is good, waiting or bad."""

    title: str
    text: str
    mood: str


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
    for state in (*TROUBLES, *MISSING):
        found = [one for one in active if one.state is state]
        if found:
            which = "Your collector" if len(active) == 1 else f"{len(found)} of {len(active)} collectors"
            mood = "bad" if state in TROUBLES else "waiting"
            title = WORDS[state].title
            return Headline(f"{which}: {title[0].lower()}{title[1:]}", found[0].words.text, mood)
    if alarms := sum(one.alarms for one in active):
        return Headline(
            "One thing needs a look" if alarms == 1 else f"{alarms} things need a look",
            "Your collectors are sending. See below what is wrong, and what to do.",
            "waiting",
        )
    calm = all(one.state is State.CALM for one in active)
    nothing = " In the last 24 hours they saw nothing suspicious." if calm else ""
    return Headline("Everything is working", f"All your collectors are sending.{nothing}", "good")
