"""The figures of a collector, made from the note that it leaves for `doctor`: one source for both.

Devices are named by their ids. No address, host name or token is among the figures, and their number is bounded: senders of
datagrams can be made up, so beyond `MOST_DEVICES` they share one label.
"""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm.collector.metrics.exposition import Kind, Metric
from cyberalarm.core.outcome import Ledger

if TYPE_CHECKING:
    from cyberalarm.collector.state import State

PREFIX = "cyberalarm_collector_"
MOST_DEVICES = 200
OTHERS = "others"
LISTENER = "listener "  # how the source of datagrams begins that were lost before anybody saw their sender


def figures(state: State, now: float | None = None) -> list[Metric]:
    """All metrics, in the order of their page in the documentation."""
    return [*_program(state), *_lines(state), *_intake(state), *_sending(state, now or time.time()), *_health(state)]


def _one(name: str, kind: Kind, meaning: str, value: float | None) -> Metric:
    metric = Metric(PREFIX + name, kind, meaning)
    if value is not None:
        metric.add(value)
    return metric


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    return _one(name, Kind.GAUGE, meaning, value)


def _counter(name: str, meaning: str, value: float | None) -> Metric:
    return _one(name, Kind.COUNTER, meaning, value)


def _program(state: State) -> list[Metric]:
    info = _gauge("info", "1, with the version of the program as label.", None)
    info.add(1, version=state.version)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return [
        info,
        _gauge("start_time_seconds", "When this run began, seconds since 1970.", state.started),
        _gauge("note_time_seconds", "When these figures were taken, seconds since 1970.", state.written),
        _gauge("resident_memory_bytes", "Memory that the process has now.", _resident()),
        _counter("cpu_seconds_total", "Processor time that the process took.", used.ru_utime + used.ru_stime),
    ]


def _resident() -> float | None:
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    return None


def _lines(state: State) -> list[Metric]:
    lines = _counter("lines_total", "Lines received in this run, by device and outcome.", None)
    lost = _counter(
        "dropped_datagrams_total",
        "Datagrams that the operating system dropped before they were read, by listener.",
        None,
    )
    heard = _gauge("last_line_time_seconds", "When a device's newest line came, seconds since 1970.", None)
    recalled = _counter(
        "recalled_lines_total",
        "Routine lines that were sent after all, since their source turned out suspicious.",
        None,
    )
    others = Ledger()
    beyond = shown = 0
    for device, note in state.devices.items():
        try:
            ledger = Ledger.from_json(note.ledger)
        except (ValueError, KeyError):
            continue  # a note of another version
        if note.source.startswith(LISTENER):
            lost.add(ledger.dropped_by_kernel, listener=note.source.removeprefix(LISTENER))
            continue
        if shown >= MOST_DEVICES:
            others.merge(ledger)
            beyond += 1
            continue
        shown += 1
        _outcomes(lines, device, ledger)
        recalled.add(ledger.recalled, device=device)
        heard.add(note.last_line, device=device)
    if beyond:
        _outcomes(lines, OTHERS, others)
        recalled.add(others.recalled, device=OTHERS)
    return [lines, recalled, lost, heard, _gauge("devices", "Senders that were heard in this run.", shown + beyond)]


def _outcomes(lines: Metric, device: str, ledger: Ledger) -> None:
    for outcome, number in ledger.outcomes.items():
        lines.add(number, device=device, outcome=outcome.value)


def _intake(state: State) -> list[Metric]:
    return [
        _gauge("intake_bytes", "Bytes of lines that wait between receiving and decoding.", state.intake.bytes),
        _gauge("intake_limit_bytes", "How many may wait; then TCP is pushed back.", state.intake.limit),
        _gauge("connections", "TCP and TLS connections that are open.", state.connections),
        _counter("connections_turned_away_total", "Connections that found no place.", state.turned_away),
        *_receiving(state),
    ]


def _receiving(state: State) -> list[Metric]:
    """What lines are taken from beside plain sockets. No paths, which may hold names."""
    expires = state.tls.expires or None
    return [
        _counter(
            "out_of_descriptors_total", "How often the process had no file descriptor left.", state.no_descriptors
        ),
        _counter("tls_failed_total", "TLS handshakes that failed.", sum(one.times for one in state.tls.failures)),
        _gauge("tls_expiry_time_seconds", "When the collector's certificate ends, seconds since 1970.", expires),
        _gauge("files_followed", "Files that grow and are read.", state.files.following),
        _gauge("files_unreadable", "Files that are configured and cannot be read.", len(state.files.troubles)),
        _gauge("drop_waiting", "Files that wait in the drop folder.", state.drop.waiting),
        _counter("drop_done_total", "Files of the drop folder that were read.", state.drop.done),
        _counter("drop_failed_total", "Files of the drop folder that could not be read.", state.drop.failed),
    ]


def _sending(state: State, now: float) -> list[Metric]:
    spool, shipping = state.spool, state.shipping
    age = max(now - spool.oldest, 0.0) if spool.waiting and spool.oldest else 0.0
    return [
        _gauge("spool_bundles", "Bundles that wait for their receipt.", spool.waiting),
        _gauge("spool_bytes", "Bytes that they take.", spool.bytes),
        _gauge("spool_limit_bytes", "How many they may take; then nothing more is taken in.", spool.limit),
        _gauge("spool_oldest_seconds", "Age of the oldest bundle that waits; 0 when none does.", age),
        _counter("receipts_total", "Bundles receipted by the centre in this run.", shipping.sent),
        _counter("receipted_rows_total", "Rows in those bundles.", shipping.rows),
        _gauge(
            "last_receipt_time_seconds",
            "When the newest receipt came, seconds since 1970; 0: none.",
            shipping.last_receipt,
        ),
        _gauge("held", "1 while the centre asks to send nothing, or wants a newer version.", state.held),
    ]


def _health(state: State) -> list[Metric]:
    troubles = _counter(
        "troubles_total", "How often something went wrong in this run, by code of the error or name of the event.", None
    )
    for code, number in sorted(state.troubles.items()):
        troubles.add(number, code=code)
    standing = _gauge("trouble", "1 with the code of what keeps bundles from being sent now.", None)
    if state.shipping.trouble_code:
        standing.add(1, code=state.shipping.trouble_code)
    alarms = _gauge("alarms", "Drift alarms that stand, by kind.", None)
    kinds = [note.kind for note in state.alarms]
    for kind in sorted(set(kinds)):
        alarms.add(kinds.count(kind), kind=kind)
    ahead = None if state.clock_ahead_ms is None else state.clock_ahead_ms / 1000
    return [
        troubles,
        standing,
        alarms,
        _gauge("clock_ahead_seconds", "This machine's clock against the centre's, at the newest status.", ahead),
        _gauge("clock_unset", "1 while the clock is not set and lines wait.", state.clock_unset),
        _gauge("pack_release", "Number of the pack release in use; 0: the packs of the program.", state.packs.release),
        _gauge(
            "pack_release_refused",
            "1 while a pack release is offered or kept that is not used.",
            bool(state.packs.refused_code),
        ),
    ]
