"""Do bundles leave: spool, receipts, the centre's stop switch, and which packs are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.collector.doctor.check import Check, Verdict, count, since
from cyberalarm.core.versions import older

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.state import SpoolNote, State

_NEARLY_FULL = 0.8


def sending(state: State) -> Check:
    spool, shipping = state.spool, state.shipping
    if state.held:
        return _held(state)
    if shipping.trouble:
        words = f"{count(spool.waiting, 'bundle waits', 'bundles wait')}. {shipping.trouble}"
        when = f" It began {since(shipping.trouble_since)}." if shipping.trouble_since else ""
        return Check("Sending", Verdict.BAD, f"{words}{when}", f"Code: {shipping.trouble_code}")
    newest = f", the last one {since(shipping.last_receipt)}" if shipping.last_receipt else ""
    words = f"{shipping.sent} bundles receipted since the start{newest}, {_waiting(spool)}."
    if spool.bytes >= spool.limit * _NEARLY_FULL:
        share = f"{words} The spool is {spool.bytes / spool.limit:.0%} full."
        step = (
            "When it is full, nothing more is taken in: make sure that the centre can be reached, or raise spool_bytes."
        )
        return Check("Sending", Verdict.ATTENTION, share, step)
    if not shipping.sent and not spool.waiting:
        return Check("Sending", Verdict.GOOD, f"{words} A bundle is made when lines have arrived.")
    return Check("Sending", Verdict.GOOD, words)


def _waiting(spool: SpoolNote) -> str:
    oldest = f", the oldest made {since(spool.oldest)}" if spool.waiting and spool.oldest else ""
    return f"{spool.waiting} waiting{oldest}" if spool.waiting else "0 waiting"


def _held(state: State) -> Check:
    kept = f"{count(state.spool.waiting, 'bundle is', 'bundles are')} kept."
    if older(state.version, state.minimum_version):
        found = f"The centre asks for version {state.minimum_version} or newer, and this is {state.version}; {kept}"
        return Check("Sending", Verdict.ATTENTION, found, "Update the collector: what is kept is sent then.")
    found = f"The centre has asked this collector to hold; {kept}"
    return Check("Sending", Verdict.ATTENTION, found, "Nothing is lost. Ask your contact how long it will take.")


def spool_without_program(config: CollectorConfig) -> list[Check]:
    """What waits on the disk while no collector runs."""
    try:
        waiting = sorted((config.data / "spool").glob("*.env"))
        if not waiting:
            return []
        oldest = since(waiting[0].stat().st_mtime)
    except OSError:
        return []
    words = f"{count(len(waiting), 'bundle waits', 'bundles wait')} on the disk, the oldest made {oldest}."
    return [Check("Sending", Verdict.ATTENTION, words, "They are sent when the collector runs again.")]


def packs(state: State) -> Check:
    note = state.packs
    if note.release:
        beside = ", ".join(note.packs) or "none; the program has them all"
        found = f"Pack release {note.release} is in use. Packs beside the program's own: {beside}."
    else:
        found = "The packs of the program are in use."
    if not note.refused_code:
        return Check("Packs", Verdict.GOOD, found)
    named = f"Pack release {note.refused_number} is" if note.refused_number else "The release kept here is"
    return Check("Packs", Verdict.ATTENTION, f"{found} {named} not used: {note.refused}", f"Code: {note.refused_code}")
