"""Checks each link of the chain and says, in plain words, what is wrong and what to do.

Looks only: it opens no listener while the collector runs, and sends nothing but a signed status request.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from cyberalarm.collector import identity as identities
from cyberalarm.collector import state as notes
from cyberalarm.collector.centre import STATUS_PATH, Centre
from cyberalarm.collector.drift import samples
from cyberalarm.collector.files import is_held
from cyberalarm.collector.pipeline import CLOCK_FLOOR_S
from cyberalarm.collector.receive.endpoint import bound
from cyberalarm.core.alarm import AlarmKind, alarm_words
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.requests import sign_request

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.drift.samples import Sample
    from cyberalarm.collector.state import DeviceNote, State
    from cyberalarm.core.alarm import Alarm

_STALE_STATE = 30.0
_CLOCK_BOUND_MS = 60_000
_SILENT = 15 * 60.0
_NEW = 86_400.0
_LEAST_FREE = 512 * 1024 * 1024
_NEARLY_FULL = 0.8


class Verdict(StrEnum):
    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One link: what was looked at, what was found, and what to do about it; with a line that shows it, redacted."""

    link: str
    verdict: Verdict
    found: str
    next_step: str = ""
    sample: str = ""  # redacted


def examine(config: CollectorConfig) -> list[Check]:
    """All checks, in the order in which a line travels."""
    checks = [_enrolled(config), _disk(config), *_program(config), _centre(config)]
    return [check for check in checks if check is not None]


def _enrolled(config: CollectorConfig) -> Check:
    try:
        identity = identities.load(config.data)
        identities.signing_key(config.data)
    except CyberAlarmError as error:
        return Check("Enrolment", Verdict.BAD, error.what, error.next_step)
    return Check("Enrolment", Verdict.GOOD, f"Enrolled as {identity.collector} at {identity.centre}.")


def _disk(config: CollectorConfig) -> Check:
    folder = config.data if config.data.exists() else config.data.parent
    if not os.access(folder, os.W_OK):
        return Check("Disk", Verdict.BAD, f"{folder} cannot be written.", "Give the collector's user the right to.")
    free = shutil.disk_usage(folder).free
    words = f"{free / 1024**3:.1f} GB free at {folder}."
    if free < _LEAST_FREE:
        return Check("Disk", Verdict.ATTENTION, words, "Free some space: without it bundles cannot be kept.")
    return Check("Disk", Verdict.GOOD, words)


def _program(config: CollectorConfig) -> list[Check]:
    if not is_held(config.data):
        stopped = Check("Program", Verdict.BAD, "The collector is not running.", "Start it: cyberalarm collector run")
        udp = [_port_free(endpoint, socket.SOCK_DGRAM) for endpoint in config.listen.udp]
        return [stopped, *udp, *(_port_free(endpoint, socket.SOCK_STREAM) for endpoint in config.listen.tcp)]
    state = notes.read(config.data)
    age = time.time() - state.written if state else _STALE_STATE
    if state is None or age >= _STALE_STATE:
        return [
            Check(
                "Program",
                Verdict.ATTENTION,
                "A collector process is there, but has not said how it is for a while.",
                "It is just starting, or replaying files. If this stays so, start it again.",
            )
        ]
    checks = [Check("Program", Verdict.GOOD, "The collector is running.")]
    if state.clock_unset:
        checks.append(_clock_unset())
    kept = samples.read(config.data)
    return [*checks, _packs(state), *_devices(state, kept), *_connections(state), _sending(state)]


def _port_free(endpoint: str, kind: socket.SocketKind) -> Check:
    name = f"Port {endpoint} ({'UDP' if kind == socket.SOCK_DGRAM else 'TCP'})"
    try:
        bound(endpoint, kind).close()
    except PermissionError:
        words = "Ports below 1024 need a right that this user does not have."
        return Check(name, Verdict.BAD, words, "Run the collector by its systemd unit, or choose a port such as 5514.")
    except OSError as error:
        return Check(name, Verdict.BAD, f"Cannot be used: {error.strerror}.", "See which program holds it: ss -lnptu")
    return Check(name, Verdict.GOOD, "Free.")


def _clock_unset() -> Check:
    return Check(
        "Clock",
        Verdict.BAD,
        "This machine's clock is not set, so lines wait until it is.",
        "Switch on time synchronisation (NTP).",
    )


def _packs(state: State) -> Check:
    packs = state.packs
    if packs.release:
        beside = ", ".join(packs.packs) or "none; the program has them all"
        found = f"Pack release {packs.release} is in use. Packs beside the program's own: {beside}."
    else:
        found = "The packs of the program are in use."
    if not packs.refused_code:
        return Check("Packs", Verdict.GOOD, found)
    named = f"Pack release {packs.refused_number} is" if packs.refused_number else "The release kept here is"
    return Check(
        "Packs", Verdict.ATTENTION, f"{found} {named} not used: {packs.refused}", f"Code: {packs.refused_code}"
    )


def _devices(state: State, kept: dict[str, list[Sample]]) -> list[Check]:
    alarms = [alarm for alarm in (note.alarm() for note in state.alarms) if alarm is not None]
    if not state.devices and not alarms:
        return [
            Check(
                "Devices",
                Verdict.ATTENTION,
                "Nothing has arrived yet.",
                "Point your firewall's syslog at this machine; check that no firewall stands between them.",
            )
        ]
    checks = []
    for name, note in state.devices.items():
        check = _device(name, note)
        checks.append(replace(check, sample=_newest(kept, name)) if check.verdict is Verdict.BAD else check)
    return [*checks, *(_alarm(alarm, kept) for alarm in alarms)]


def _alarm(alarm: Alarm, kept: dict[str, list[Sample]]) -> Check:
    words = alarm_words(alarm)
    since = datetime.fromtimestamp(alarm.since / 1000).astimezone()
    found = f"{words.title}, since {since.day} {since:%B %Y at %H:%M}. {words.seen}"
    sample = _newest(kept, alarm.device, missing=alarm.kind is AlarmKind.FIELD_MISSING)
    return Check(
        f"Device {alarm.device}: drift",
        Verdict.ATTENTION,
        found,
        words.next_step,
        "" if alarm.kind is AlarmKind.SILENT else sample,
    )


def _newest(kept: dict[str, list[Sample]], device: str, *, missing: bool = False) -> str:
    """The newest sample of a device's lines that are not understood, or that lack a field."""
    of_kind = (one for one in reversed(kept.get(device, [])) if (one.outcome == AlarmKind.FIELD_MISSING) is missing)
    return next((sample.form for sample in of_kind), "")


def _device(name: str, note: DeviceNote) -> Check:
    link = f"Device {name}"
    try:
        ledger = Ledger.from_json(note.ledger)
    except ValueError:
        return Check(link, Verdict.ATTENTION, "Its counts cannot be read.", "Use the doctor of the running version.")
    if ledger.dropped_by_kernel:
        return Check(
            link,
            Verdict.ATTENTION,
            f"{ledger.dropped_by_kernel:,} datagrams were lost at {note.source} before the collector could read them.",
            "Raise net.core.rmem_max, or give the machine another core.",
        )
    found = f"{ledger.received:,} lines from {note.source}: {', '.join(note.products) or 'no product recognised'}."
    if time.time() - note.first_heard < _NEW:
        found += " It is new: first heard within the last day."
    unrecognised = ledger.outcomes[Outcome.UNRECOGNISED]
    if ledger.received and unrecognised * 2 > ledger.received:
        return Check(
            link,
            Verdict.BAD,
            f"{found} {unrecognised:,} of them are not recognised.",
            "Check the device's log format on its page in the documentation; `cyberalarm collector samples` shows such lines, and"
            " `cyberalarm collector explain LINE` tells more.",
        )
    silent = time.time() - note.last_line
    if note.last_line and silent > _SILENT:
        words = f"{found} Silent for {int(silent / 60)} minutes."
        return Check(link, Verdict.ATTENTION, words, "Is the device still sending?")
    if note.absurd_times * 2 > ledger.received:
        words = f"{found} {note.absurd_times:,} of them carry a time that cannot be."
        return Check(link, Verdict.ATTENTION, words, "Set the device's clock and time zone.")
    return Check(link, Verdict.GOOD, found)


def _connections(state: State) -> list[Check]:
    if not state.turned_away:
        return []
    words = f"{state.turned_away:,} TCP connections were turned away: too many are open."
    return [Check("Connections", Verdict.ATTENTION, words, "Raise listen.tcp_connections in the configuration.")]


def _sending(state: State) -> Check:
    spool, shipping = state.spool, state.shipping
    if state.held:
        return Check(
            "Sending",
            Verdict.ATTENTION,
            f"The centre has asked this collector to hold; {spool.waiting} bundles are kept.",
            "Update the collector, or ask your contact.",
        )
    if shipping.trouble:
        words = f"{spool.waiting} bundles wait. {shipping.trouble}"
        return Check("Sending", Verdict.BAD, words, f"Code: {shipping.trouble_code}")
    words = f"{shipping.sent} bundles receipted since the start, {spool.waiting} waiting."
    if spool.bytes >= spool.limit * _NEARLY_FULL:
        share = f"{words} The spool is {spool.bytes / spool.limit:.0%} full."
        return Check("Sending", Verdict.ATTENTION, share, "When it is full, nothing more is taken in.")
    return Check("Sending", Verdict.GOOD, words)


def _centre(config: CollectorConfig) -> Check | None:
    if time.time() < CLOCK_FLOOR_S:
        return _clock_unset()
    try:
        identity = identities.load(config.data)
        key = identities.signing_key(config.data)
    except CyberAlarmError:
        return None  # said under Enrolment
    try:
        centre = Centre(identity.centre, identity.pin, config.proxy, identity.next_pins)
        through = f" through the proxy {centre.proxy}" if centre.proxy else ""
        now = int(time.time() * 1000)
        headers = sign_request(key, identity.collector, "GET", STATUS_PATH, b"", now)
        status = Status.read(centre.status(headers), *identity.receipt_keys)
    except CyberAlarmError as error:
        if error.code == "request-time":
            words = "This machine's clock is more than five minutes off, so the centre does not believe its requests."
            return Check("Clock", Verdict.BAD, words, "Switch on time synchronisation (NTP).")
        return Check("Centre", Verdict.BAD, error.what, error.next_step)
    ahead = int(time.time() * 1000) - status.time
    if abs(ahead) > _CLOCK_BOUND_MS:
        words = f"This machine's clock is {abs(ahead) // 1000} s {'ahead' if ahead > 0 else 'behind'}."
        return Check("Clock", Verdict.ATTENTION, words, "Switch on time synchronisation (NTP).")
    return Check("Centre", Verdict.GOOD, f"{identity.centre} answers{through}, and knows this collector.")


def worst(checks: list[Check]) -> Verdict:
    for verdict in (Verdict.BAD, Verdict.ATTENTION):
        if any(check.verdict is verdict for check in checks):
            return verdict
    return Verdict.GOOD
