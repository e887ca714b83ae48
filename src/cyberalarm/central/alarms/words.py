"""What people read of an alarm: a short title, what was seen, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.site.templating import plural
from cyberalarm.core.alarm import Alarm as Told
from cyberalarm.core.alarm import AlarmKind, alarm_words

if TYPE_CHECKING:
    from cyberalarm.central.alarms.models import Alarm


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    seen: str
    next_step: str


_TOLD = {
    Kind.NOT_RECOGNISED: AlarmKind.NOT_RECOGNISED,
    Kind.GENERIC_ONLY: AlarmKind.GENERIC_ONLY,
    Kind.FIELD_MISSING: AlarmKind.FIELD_MISSING,
}


def words_of(alarm: Alarm) -> Words:
    """An alarm in words. Times are left to the page."""
    kind = Kind(alarm.kind)
    if kind in _TOLD:
        told = alarm_words(Told("", _TOLD[kind], alarm.product, alarm.field, 0, alarm.value, alarm.other))
        return Words(told.title, told.seen, told.next_step)
    return Words(_TITLES[kind], _seen(kind, alarm), _next_step(kind, alarm))


_TITLES: dict[Kind, str] = {
    Kind.COLLECTOR_SILENT: "We hear nothing from the collector",
    Kind.REFUSED: "Its bundles are refused",
    Kind.QUARANTINED: "Some of its bundles could not be used",
    Kind.CLOCK: "Its clock is wrong",
    Kind.DISK: "Its disk is nearly full",
    Kind.SPOOL: "What it keeps has nearly filled its space",
    Kind.BEHIND: "It is behind",
    Kind.TOO_OLD: "Its program is too old",
    Kind.DROPPED: "Log lines were lost before it could read them",
    Kind.TURNED_AWAY: "Devices were turned away",
    Kind.DEVICE_SILENT: "Silent",
    Kind.NOT_UNDERSTOOD: "We do not understand its lines",
    Kind.DEVICE_CLOCK: "Its clock is wrong",
}


def _seen(kind: Kind, alarm: Alarm) -> str:
    match kind:
        case Kind.COLLECTOR_SILENT:
            return "It asks us each minute how things are, and for 15 minutes or more it has not."
        case Kind.REFUSED:
            return (
                f"It reaches us, but what it sends is refused with code {alarm.code}. It keeps what it could not send."
            )
        case Kind.QUARANTINED:
            return (
                f"We have put {plural(alarm.value, 'bundle')} of it aside, with code {alarm.code}. They are kept, but what they"
                " hold is in no figure and no report yet."
            )
        case Kind.CLOCK | Kind.DEVICE_CLOCK:
            which = "ours" if kind is Kind.CLOCK else "the collector's"
            return f"It is {duration(abs(alarm.value))} {'ahead of' if alarm.value > 0 else 'behind'} {which}."
        case Kind.DISK:
            return f"{alarm.value:,} MiB are free on the collector's disk."
        case Kind.SPOOL:
            return f"{alarm.value} per cent of the space for bundles that wait to be sent is in use."
        case Kind.BEHIND:
            waiting = f", with {plural(alarm.other, 'bundle')} waiting" if alarm.other else ""
            return f"What it sends is {duration(alarm.value)} old{waiting}. Nothing is lost: it is late."
        case Kind.TOO_OLD:
            return f"It is version {alarm.code}, which this centre no longer takes. It keeps what it gathers."
        case Kind.DROPPED:
            share = 100 * alarm.value / max(alarm.other, 1)
            return (
                f"In the last hour or two the collector's machine dropped {alarm.value:,} of {alarm.other:,} log lines"
                f" ({share:.1f}%)."
            )
        case Kind.TURNED_AWAY:
            return f"The collector turned away {plural(alarm.value, 'connection')} within a minute."
        case Kind.NOT_UNDERSTOOD:
            return (
                f"In the last hour or two {alarm.value:,} of its {alarm.other:,} lines were in no format that we know."
            )
    new = " We have known it for less than a week, so this may be its usual night." if alarm.other else ""
    return f"It has sent nothing, for longer than is usual for it at this time of day ({duration(alarm.value)}).{new}"


def _next_step(kind: Kind, alarm: Alarm) -> str:
    if kind is Kind.DEVICE_CLOCK and abs(alarm.value) % 3600 in {*range(120), *range(3480, 3600)}:
        return "It looks like another time zone. Set the device's time zone, or the collector's (“time_zone” in its configuration)."
    if kind is Kind.REFUSED:
        return "The collector's page says what to do about this code."
    return _STEPS[kind]


_STEPS: dict[Kind, str] = {
    Kind.QUARANTINED: "You need do nothing: our people look at them. If the collector's program is old, update it.",
    Kind.COLLECTOR_SILENT: "Is its computer on, and does it reach the Internet? On it, run: cyberalarm collector doctor",
    Kind.CLOCK: "Set the clock of the collector's computer, or switch on its automatic time (NTP).",
    Kind.DISK: "Make room on the collector's disk. When it is full the collector takes no more log lines.",
    Kind.SPOOL: "Let it reach us: on it, run: cyberalarm collector doctor. When the space is full it takes no more log lines.",
    Kind.BEHIND: "If this lasts for hours, look at the collector's line to the Internet. On it, run: cyberalarm collector doctor",
    Kind.TOO_OLD: "Update the collector's program; what it has kept is sent then.",
    Kind.DROPPED: (
        "The machine was too busy, or its receive buffer is too small. On it, run: cyberalarm collector doctor, which says what"
        " to set."
    ),
    Kind.TURNED_AWAY: (
        "More devices connect than the collector allows, or their encryption does not fit. On it, run: cyberalarm collector doctor"
    ),
    Kind.DEVICE_SILENT: (
        "Is the device on, and does it still send its log to the collector? If you removed it, put it to rest on its page."
    ),
    Kind.NOT_UNDERSTOOD: (
        "Look up the device in our guides and compare its log settings. If it is not there, tell us which device it is: on the"
        " collector, “cyberalarm collector samples” shows such lines, redacted."
    ),
    Kind.DEVICE_CLOCK: "Set the device's clock, or switch on its automatic time (NTP).",
}


def duration(seconds: int) -> str:
    """Such as "2 hours 5 minutes", in at most two units."""
    parts = []
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(plural(count, name))
        if len(parts) == 2 or (parts and size == 60):
            break
    return " ".join(parts) or "no time"
