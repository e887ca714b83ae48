"""Does anything arrive, from which addresses, is it understood, and was any of it lost on the way in?"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cyberalarm.collector import machine
from cyberalarm.collector.doctor.check import Check, Verdict, count, since
from cyberalarm.collector.receive.endpoint import split_endpoint
from cyberalarm.core.alarm import AlarmKind, alarm_words
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.drift.samples import Sample
    from cyberalarm.collector.state import DeviceNote, State
    from cyberalarm.core.alarm import Alarm

_SILENT = 15 * 60.0
_NEW = 86_400.0
_MOST_SHOWN = 50
_MANY, _MOST = 0.2, 0.5  # shares of lines that are not recognised
GUIDES = "docs/devices, one page for each product (`cyberalarm formats list` names them, `cyberalarm formats guide NAME` shows one)"


def device_checks(config: CollectorConfig, state: State, kept: Mapping[str, Sequence[Sample]]) -> list[Check]:
    alarms = [alarm for alarm in (note.alarm() for note in state.alarms) if alarm is not None]
    heard = {name: note for name, note in state.devices.items() if note.ledger.get("received") or note.last_line}
    checks = [] if heard or alarms else [nothing_arrives(config, state)]
    for name, note in list(state.devices.items())[:_MOST_SHOWN]:
        check = _device(config, name, note)
        strange = "not recognised" in check.found
        checks.append(replace(check, sample=_newest(kept, name)) if strange else check)
    if len(state.devices) > _MOST_SHOWN:
        words = f"{count(len(state.devices) - _MOST_SHOWN, 'more sender', 'more senders')} are not shown."
        step = (
            "Are these all yours? Addresses of UDP senders are easily forged; let only your own network reach the port."
        )
        checks.append(Check("Devices", Verdict.ATTENTION, words, step))
    return [*checks, *(_alarm(alarm, kept) for alarm in alarms), *_connections(state)]


def nothing_arrives(config: CollectorConfig, state: State | None) -> Check:
    """What to look at, from the device inwards, when not one line has come."""
    began = f" since the collector started {since(state.started)}" if state else ""
    listeners = [one for one in machine.listeners(config) if split_endpoint(one.endpoint)[1]]
    first = next(iter(listeners), None)
    if first is None:
        return Check("Devices", Verdict.ATTENTION, f"Nothing has arrived yet{began}.", "Name a port under [listen].")
    host, port = split_endpoint(first.endpoint)
    if all(_loopback(split_endpoint(one.endpoint)[0]) for one in listeners):
        found = f"Nothing has arrived yet{began}: it listens for senders on this machine only."
        step = (
            f"For other devices write 0.0.0.0:{port} under listen.{first.protocol} in the configuration, start the collector"
            " again, and point your firewall's syslog at this machine."
        )
        return Check("Devices", Verdict.ATTENTION, found, step)
    address = host if _one_address(host) else machine.own_address() or "this machine's address"
    protocol = "udp" if first.protocol == "udp" else "tcp"
    opened = machine.local_firewall(port, protocol)
    step = (
        f"Point your firewall's syslog at {address}, port {port} ({first.protocol.upper()}); how, stands in {GUIDES}."
        f" Then see whether its packets reach this machine: sudo tcpdump -ni any {protocol} port {port}."
        f" If they do, this machine's own firewall drops them{f': {opened}' if opened else ' (sudo nft list ruleset)'}."
        " If they do not, look at the device's log server settings, its rules for logging, and what stands between."
        " `cyberalarm collector doctor --watch 300` shows lines as they come."
    )
    return Check("Devices", Verdict.ATTENTION, f"Nothing has arrived yet{began}.", step)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _one_address(host: str) -> bool:
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return True


def _alarm(alarm: Alarm, kept: Mapping[str, Sequence[Sample]]) -> Check:
    words = alarm_words(alarm)
    begun = datetime.fromtimestamp(alarm.since / 1000).astimezone()
    found = f"{words.title}, since {begun.day} {begun:%B %Y at %H:%M}. {words.seen}"
    sample = _newest(kept, alarm.device, missing=alarm.kind is AlarmKind.FIELD_MISSING)
    return Check(
        f"Device {alarm.device}: drift",
        Verdict.ATTENTION,
        found,
        words.next_step,
        "" if alarm.kind is AlarmKind.SILENT else sample,
    )


def _newest(kept: Mapping[str, Sequence[Sample]], device: str, *, missing: bool = False) -> str:
    """The newest sample of a device's lines that are not understood, or that lack a field."""
    of_kind = (one for one in reversed(kept.get(device, [])) if (one.outcome == AlarmKind.FIELD_MISSING) is missing)
    return next((sample.form for sample in of_kind), "")


def _device(config: CollectorConfig, name: str, note: DeviceNote) -> Check:
    link = f"Device {name}"
    try:
        ledger = Ledger.from_json(note.ledger)
    except (ValueError, KeyError):
        return Check(link, Verdict.ATTENTION, "Its counts cannot be read.", "Use the doctor of the running version.")
    if ledger.dropped_by_kernel:
        return Check(link, Verdict.ATTENTION, _lost(note, ledger), _more_room(config))
    found = f"{count(ledger.received, 'line')} from {note.source}: {_products(note)}."
    if time.time() - note.first_heard < _NEW:
        found += " It is new: first heard within the last day."
    return _understood(link, found, note, ledger)


def _products(note: DeviceNote) -> str:
    total = sum(note.products.values())
    shares = sorted(note.products.items(), key=lambda item: -item[1])
    if len(shares) < 2:
        return "".join(name for name, _ in shares) or "no product recognised"
    return ", ".join(f"{name} {lines / total:.0%}" for name, lines in shares)


def _understood(link: str, found: str, note: DeviceNote, ledger: Ledger) -> Check:
    unrecognised = ledger.outcomes[Outcome.UNRECOGNISED]
    share = unrecognised / ledger.received if ledger.received else 0.0
    if share > _MOST:
        words = f"{found} {unrecognised:,} of them are not recognised."
        return Check(link, Verdict.BAD, words, _not_recognised(note))
    if share > _MANY:
        words = f"{found} {unrecognised:,} of them are not recognised."
        return Check(link, Verdict.ATTENTION, words, _not_recognised(note))
    if unrecognised:
        found += f" {1 - share:.1%} recognised."
    silent = time.time() - note.last_line
    if note.last_line and silent > _SILENT:
        words = f"{found} Silent for {int(silent / 60)} minutes."
        step = "Is the device still sending? Is it switched on, and has its address or its log server setting changed?"
        return Check(link, Verdict.ATTENTION, words, step)
    if ledger.received and note.absurd_times * 2 > ledger.received:
        words = f"{found} {note.absurd_times:,} of them carry a time that cannot be."
        return Check(link, Verdict.ATTENTION, words, "Set the device's clock and time zone.")
    return Check(link, Verdict.GOOD, found)


def _not_recognised(note: DeviceNote) -> str:
    page = next(iter(sorted(note.products, key=lambda name: -note.products[name])), "")
    guide = f"docs/devices/{page}.md" if page and not page.startswith("generic-") else GUIDES
    return (
        f"Check the device's log format: {guide}. `cyberalarm collector samples` shows such lines, redacted, and"
        " `cyberalarm collector explain LINE` tells more. If its product is not in the list, tell us which it is."
    )


def _lost(note: DeviceNote, ledger: Ledger) -> str:
    where = note.source.removeprefix("listener ")
    number = count(ledger.dropped_by_kernel, "datagram was", "datagrams were")
    return f"{number} lost at {where} before the collector could read them."


def _more_room(config: CollectorConfig) -> str:
    granted, wanted = machine.granted_buffer(), config.listen.receive_buffer
    if granted is not None and granted < wanted:
        return f"net.core.rmem_max grants {granted:,} bytes of the {wanted:,} that are asked for. {machine.raise_buffer(wanted)}"
    return (
        "More came at once than could be read: raise listen.receive_buffer and net.core.rmem_max, or add another core."
    )


def _connections(state: State) -> list[Check]:
    if not state.turned_away:
        return []
    words = f"{state.turned_away:,} TCP connections were turned away: too many are open."
    return [Check("Connections", Verdict.ATTENTION, words, "Raise listen.tcp_connections in the configuration.")]
