"""Checks each link of the chain and says, in plain words, what is wrong and what to do.

Looks only: it opens no listener while the collector runs, and sends nothing but a signed status request.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import STATUS_PATH, Centre
from cyberalarm.collector.receive.udp import split_endpoint
from cyberalarm.collector.service import read_state
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.requests import sign_request

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig

_STALE_STATE = 30.0
_CLOCK_BOUND_MS = 60_000
_SILENT = 15 * 60.0
_LEAST_FREE = 512 * 1024 * 1024


class Verdict(StrEnum):
    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One link: what was looked at, what was found, and what to do about it."""

    link: str
    verdict: Verdict
    found: str
    next_step: str = ""


def examine(config: CollectorConfig) -> list[Check]:
    """All checks, in the order in which a line travels."""
    state = read_state(config.data)
    written = state.get("written") if state else None
    running = isinstance(written, int | float) and time.time() - written < _STALE_STATE
    checks = [_enrolled(config), _disk(config)]
    if running and state is not None:
        checks.append(Check("Program", Verdict.GOOD, "The collector is running."))
        checks += _devices(state)
        checks += _spool(state)
    else:
        checks.append(
            Check("Program", Verdict.BAD, "The collector is not running.", "Start it: cyberalarm collector run")
        )
        checks += [_port_free(endpoint, socket.SOCK_DGRAM) for endpoint in config.listen.udp]
        checks += [_port_free(endpoint, socket.SOCK_STREAM) for endpoint in config.listen.tcp]
    checks.append(_centre(config))
    return checks


def _enrolled(config: CollectorConfig) -> Check:
    try:
        identity = identities.load(config.data)
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


def _port_free(endpoint: str, kind: socket.SocketKind) -> Check:
    name = f"Port {endpoint} ({'UDP' if kind == socket.SOCK_DGRAM else 'TCP'})"
    host, port = split_endpoint(endpoint)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return Check(
                name,
                Verdict.BAD,
                "Ports below 1024 need a right that this user does not have.",
                "Run the collector by its systemd unit, or choose a port such as 5514.",
            )
        except OSError as error:
            return Check(
                name, Verdict.BAD, f"Cannot be used: {error.strerror}.", "See which program holds it: ss -lnptu"
            )
    return Check(name, Verdict.GOOD, "Free.")


def _devices(state: dict[str, object]) -> list[Check]:
    devices = state.get("devices")
    if not isinstance(devices, dict) or not devices:
        return [
            Check(
                "Devices",
                Verdict.ATTENTION,
                "Nothing has arrived yet.",
                "Point your firewall's syslog at this machine; check that no firewall stands between them.",
            )
        ]
    return [_device(name, view) for name, view in devices.items()]


def _device(name: str, view: dict[str, object]) -> Check:
    ledger = Ledger.from_json(view["ledger"])  # type: ignore[arg-type]
    products = view.get("products")
    known = ", ".join(products) if isinstance(products, dict) and products else "no product recognised"
    source = view.get("source")
    found = f"{ledger.received:,} lines from {source}: {known}."
    last = view.get("last_line")
    unrecognised = ledger.outcomes[Outcome.UNRECOGNISED]
    if ledger.dropped_by_kernel:
        return Check(
            f"Device {name}",
            Verdict.ATTENTION,
            f"{ledger.dropped_by_kernel:,} datagrams were lost at {source} before the collector could read them.",
            "Raise net.core.rmem_max, or give the machine another core.",
        )
    if ledger.received and unrecognised * 2 > ledger.received:
        return Check(
            f"Device {name}",
            Verdict.BAD,
            f"{found} {unrecognised:,} of them are not recognised.",
            "Check the device's log format on its page in the documentation; `cyberalarm collector explain LINE` tells more.",
        )
    if isinstance(last, int | float) and last and time.time() - last > _SILENT:
        minutes = int((time.time() - last) / 60)
        return Check(
            f"Device {name}",
            Verdict.ATTENTION,
            f"{found} Silent for {minutes} minutes.",
            "Is the device still sending?",
        )
    return Check(f"Device {name}", Verdict.GOOD, found)


def _spool(state: dict[str, object]) -> list[Check]:
    spool = state.get("spool")
    shipping = state.get("shipping")
    if not isinstance(spool, dict) or not isinstance(shipping, dict):
        return []
    waiting = spool.get("waiting", 0)
    trouble = shipping.get("trouble")
    if state.get("held"):
        return [
            Check(
                "Sending",
                Verdict.ATTENTION,
                f"The centre has asked this collector to hold; {waiting} bundles are kept.",
                "Update the collector, or ask your contact.",
            )
        ]
    if trouble:
        return [
            Check("Sending", Verdict.BAD, f"{waiting} bundles wait. {trouble}", f"Code: {shipping.get('trouble_code')}")
        ]
    sent = shipping.get("sent", 0)
    return [Check("Sending", Verdict.GOOD, f"{sent} bundles receipted since the start, {waiting} waiting.")]


def _centre(config: CollectorConfig) -> Check:
    try:
        identity = identities.load(config.data)
        centre = Centre(identity.centre, identity.pin, config.proxy)
        through = f" through the proxy {centre.proxy}" if centre.proxy else ""
        key = identities.signing_key(config.data)
        now = int(time.time() * 1000)
        headers = sign_request(key, identity.collector, "GET", STATUS_PATH, b"", now)
        status = Status.read(centre.status(headers), identity.receipt_key)
    except CyberAlarmError as error:
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
