"""The links of the chain in order: configuration, rights, enrolment, disk, program, ports, devices, clock, centre, sending, packs.

What an earlier link makes meaningless is left out, so that there is one thing to do at a time.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.collector import checking, machine
from cyberalarm.collector import identity as identities
from cyberalarm.collector import state as notes
from cyberalarm.collector.doctor.centre import centre_checks
from cyberalarm.collector.doctor.check import Check, Verdict, count
from cyberalarm.collector.doctor.devices import device_checks
from cyberalarm.collector.doctor.ports import port_checks
from cyberalarm.collector.doctor.sending import packs, sending, spool_without_program
from cyberalarm.collector.drift import samples
from cyberalarm.collector.files import is_held
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.state import State

_STALE_STATE = 30.0
_LEAST_FREE = 512 * 1024 * 1024
_MOST_FILES = 2_000  # that are looked at for their owner


def examine(path: Path | None) -> list[Check]:
    """All checks of the collector with this configuration file; of the defaults when none is named."""
    checked = checking.check(path)
    found = _configuration(checked, path)
    config = checked.config
    if config is None or checked.mistakes:
        return found
    blind = _rights(config)
    if blind is not None:
        return [*found, blind, *port_checks(config, None, running=None)]
    running = is_held(config.data)
    state = notes.read(config.data) if running else None
    if state is not None and time.time() - state.written >= _STALE_STATE:
        state = None
    found += [_enrolled(config), _disk(config), _program(state, running=running)]
    if state is not None or not running:
        found += port_checks(config, state, running=running)
    if state is not None:
        found += device_checks(config, state, samples.read(config.data))
    found += centre_checks(config, state)
    if state is not None:
        return [*found, sending(state), packs(state)]
    return [*found, *spool_without_program(config)]


def _configuration(checked: checking.Checked, path: Path | None) -> list[Check]:
    name = str(path) if path else "the defaults"
    if not checked.remarks:
        return [Check("Configuration", Verdict.GOOD, f"{name}: valid.")]
    verdicts = {checking.Severity.MISTAKE: Verdict.BAD, checking.Severity.WARNING: Verdict.ATTENTION}
    found = []
    for remark in checked.remarks:
        where = f"{name}{f', line {remark.line}' if remark.line else ''}{f', key {remark.key!r}' if remark.key else ''}"
        found.append(Check("Configuration", verdicts[remark.severity], f"{where}: {remark.what}", remark.next_step))
    return found


def _rights(config: CollectorConfig) -> Check | None:
    """May this account read what a collector leaves here? None when it may, or when there is nothing yet."""
    folder = config.data
    try:
        if not folder.exists() or os.access(folder, os.R_OK | os.X_OK):
            return None
        owner = machine.account(folder.stat().st_uid)
    except OSError:
        owner = "root"
    me = machine.account(os.geteuid())
    return Check(
        "Rights",
        Verdict.BAD,
        f"This account, {me}, may not look into {folder}, so most of the chain cannot be checked.",
        f"Ask as its owner: sudo -u {owner} cyberalarm collector doctor",
    )


def _enrolled(config: CollectorConfig) -> Check:
    try:
        identity = identities.load(config.data)
        identities.signing_key(config.data)
    except CyberAlarmError as error:
        return Check("Enrolment", Verdict.BAD, error.what, error.next_step)
    except PermissionError as error:
        return Check("Enrolment", Verdict.BAD, f"{error.filename} may not be read.", _hand_over(config.data))
    return Check("Enrolment", Verdict.GOOD, f"Enrolled as {identity.collector} at {identity.centre}.")


def _disk(config: CollectorConfig) -> Check:
    folder = config.data if config.data.exists() else next(p for p in config.data.parents if p.exists())
    if not os.access(folder, os.W_OK):
        return Check("Disk", Verdict.BAD, f"{folder} cannot be written.", "Give the collector's user the right to.")
    strangers = _owned_by_others(config.data)
    if strangers:
        owner = machine.account(config.data.stat().st_uid)
        found = f"{', '.join(strangers[:5])} in {folder} do not belong to {owner}, so the collector may not be able to use them."
        return Check("Disk", Verdict.BAD, found, _hand_over(config.data))
    free = shutil.disk_usage(folder).free
    words = f"{free / 1024**3:.1f} GB free at {folder}."
    if free < _LEAST_FREE:
        return Check("Disk", Verdict.ATTENTION, words, "Free some space: without it bundles cannot be kept.")
    return Check("Disk", Verdict.GOOD, words)


def _owned_by_others(folder: Path) -> list[str]:
    """Files that an account other than the folder's owner made, as `sudo cyberalarm collector enrol` does."""
    if not folder.exists():
        return []
    owner, found = folder.stat().st_uid, []
    for number, path in enumerate(folder.rglob("*")):
        if number >= _MOST_FILES:
            break
        try:
            if path.lstat().st_uid != owner:
                found.append(str(path.relative_to(folder)))
        except OSError:
            continue  # it is gone again: the collector works here
    return sorted(found)


def _hand_over(folder: Path) -> str:
    owner = machine.account(folder.stat().st_uid)
    return f"A command may have been run as another account. As root: chown -R {owner}: {folder}"


def _program(state: State | None, *, running: bool) -> Check:
    if not running:
        return Check(
            "Program",
            Verdict.BAD,
            "The collector is not running.",
            "Start it: sudo systemctl start cyberalarm-collector; by hand: cyberalarm collector run."
            " Why it ended: journalctl -u cyberalarm-collector -n 20",
        )
    if state is None:
        return Check(
            "Program",
            Verdict.ATTENTION,
            "A collector process is there, but has not said how it is for a while.",
            "It is just starting, or replaying files. If this stays so, start it again.",
        )
    minutes = count(int(max(time.time() - state.started, 0) // 60), "minute")
    found = f"The collector is running, version {state.version}, for {minutes}."
    if state.version != __version__:
        step = "Start it again to use what is installed now: sudo systemctl restart cyberalarm-collector"
        return Check("Program", Verdict.ATTENTION, f"{found} Installed is version {__version__}.", step)
    return Check("Program", Verdict.GOOD, found)
