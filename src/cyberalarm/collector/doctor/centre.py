"""Is the clock right, can the centre be reached, through what, and does it know this collector?

The way is looked at step by step first (`way`), so that each obstacle has words of its own; then the centre is asked for its signed
status, as the running collector does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.collector import identity as identities
from cyberalarm.collector import machine
from cyberalarm.collector.centre import STATUS_PATH, Centre
from cyberalarm.collector.doctor.check import Check, Verdict, lasting
from cyberalarm.collector.doctor.way import obstacle
from cyberalarm.collector.errors import CentreUnreachableError
from cyberalarm.collector.pipeline import CLOCK_FLOOR_S
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.core.versions import older
from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.requests import sign_request

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.identity import Identity
    from cyberalarm.collector.state import State
    from cyberalarm.envelope.keys import SigningKey

_CLOCK_BOUND_MS = 60_000
_NTP = "Switch on time synchronisation (NTP): sudo timedatectl set-ntp true"


def centre_checks(config: CollectorConfig, state: State | None) -> list[Check]:
    if (state is not None and state.clock_unset) or time.time() < CLOCK_FLOOR_S:
        words = "This machine's clock is not set, so lines wait until it is."
        return [Check("Clock", Verdict.BAD, words, _NTP)]
    try:
        identity = identities.load(config.data)
        key = identities.signing_key(config.data)
    except (CyberAlarmError, OSError):
        return [_clock(None)]  # the reason is said under Enrolment
    return _asked(config, identity, key, state)


def _asked(config: CollectorConfig, identity: Identity, key: SigningKey, state: State | None) -> list[Check]:
    centre = Centre(identity.centre, identity.pin, config.proxy, identity.next_pins)
    blocked = obstacle(identity.centre, identity.pins, config.proxy)
    if blocked is not None:
        return [_clock(None), Check("Centre", Verdict.BAD, blocked.what, blocked.next_step)]
    through = f" through the proxy {centre.proxy}" if centre.proxy else ""
    try:
        now = int(time.time() * 1000)
        headers = sign_request(key, identity.collector, "GET", STATUS_PATH, b"", now)
        status = Status.read(centre.status(headers), *identity.receipt_keys)
    except CyberAlarmError as error:
        if error.code == "request-time":
            words = "This machine's clock is more than five minutes off, so the centre does not believe its requests."
            return [Check("Clock", Verdict.BAD, words, _NTP)]
        return [_clock(None), Check("Centre", Verdict.BAD, *_refusal(error))]
    finally:
        centre.rest()
    answers = f"{identity.centre} answers{through}, and knows this collector."
    clock = _clock(int(time.time() * 1000) - status.time)
    if state is None and (status.stop or older(__version__, status.minimum_version)):
        why = "asks collectors to hold" if status.stop else f"asks for version {status.minimum_version} or newer"
        step = "Bundles are kept until then. Ask your contact." if status.stop else "Update the collector."
        return [clock, Check("Centre", Verdict.ATTENTION, f"{answers} It {why}.", step)]
    return [clock, Check("Centre", Verdict.GOOD, answers)]


def _refusal(error: CyberAlarmError) -> tuple[str, str]:
    if isinstance(error, CentreUnreachableError) and not error.next_step:
        return (
            f"The centre is there, but cannot answer now: {error.what}",
            "Nothing has to be done here: bundles are kept and sent when it can. If it lasts for hours, tell your contact.",
        )
    return error.what, error.next_step or f"Ask your contact, and give the code: {error.code}"


def _clock(ahead_ms: int | None) -> Check:
    """`ahead_ms` is against the centre's clock, None when that is not known."""
    set_by = machine.synchronised()
    if ahead_ms is None:
        if set_by is False:
            return Check("Clock", Verdict.ATTENTION, "Nothing sets this machine's clock (NTP), so it may drift.", _NTP)
        return Check("Clock", Verdict.GOOD, "Time synchronisation is on." if set_by else "It is set.")
    if abs(ahead_ms) > _CLOCK_BOUND_MS:
        words = f"This machine's clock is {abs(ahead_ms) // 1000} s {'ahead' if ahead_ms > 0 else 'behind'}."
        return Check("Clock", Verdict.ATTENTION, words, _NTP)
    off = "agrees with the centre's" if abs(ahead_ms) < 2000 else f"is {lasting(abs(ahead_ms) / 1000)} off the centre's"
    if set_by is False:
        return Check(
            "Clock", Verdict.GOOD, f"It {off}, but nothing keeps it so: time synchronisation (NTP) is off.", _NTP
        )
    return Check("Clock", Verdict.GOOD, f"It {off}.")
