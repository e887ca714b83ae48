"""Setting up without a person at the console: answers from the machine's maker, or from a disk with the label CYBERALARM.

A hypervisor gives them as the systemd credential `cyberalarm.setup` (SMBIOS or fw_cfg), or by a disk or ISO image that holds
`setup.toml`. They count until the collector is enrolled, and never after: a disk that is put in later changes nothing.
What became of them is noted for the console to show; a note never holds the token.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm.appliance import answers as reading
from cyberalarm.appliance.errors import SetupError
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from cyberalarm.appliance.answers import Answers
    from cyberalarm.appliance.machine import Machine

DISK = Path("/dev/disk/by-label/CYBERALARM")
CREDENTIAL = "cyberalarm.setup"
FILE = "setup.toml"
# How often it is tried to enrol, and how long it is waited before the next time: the network may still be coming up.
_PAUSES = (2, 5, 10, 20, 30, 60)
_FOR_GOOD = ("token-", "chain-broken", "enrolment-")
# How this program ends: tried again later, or not before the machine is started anew (the unit's RestartPreventExitStatus=).
AGAIN, IN_VAIN = 1, 2


def content(credentials: Path | None, disk: Path = DISK) -> bytes | None:
    """The set-up file, wherever it is; None where there is none. Raises OSError for a disk that cannot be read."""
    if credentials is not None and (credentials / CREDENTIAL).exists():
        return (credentials / CREDENTIAL).read_bytes()
    if not disk.exists():
        return None
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        options = "ro,nosuid,nodev,noexec"
        mount = ["/usr/bin/mount", "--types", "iso9660,vfat", "--options", options, str(disk), folder]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(done.returncode, "the set-up disk is neither FAT nor an ISO image")
        try:
            with (Path(folder) / FILE).open("rb") as file:
                return file.read(reading.MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        finally:
            subprocess.run(["/usr/bin/umount", folder], check=False)


def set_up(machine: Machine, given: Answers) -> None:
    """Write what was answered and enrol, patiently while the network comes up. Raises the last refusal."""
    machine.set_network(given.network)
    machine.set_proxy(given.proxy)
    if given.own:
        machine.set_own_networks(given.own)
    for pause in (*_PAUSES, None):
        try:
            machine.enrol(given.token)
        except CyberAlarmError as error:
            if pause is None or _is_for_good(error):
                raise
            time.sleep(pause)
        else:
            return


def _is_for_good(error: Exception) -> bool:
    """Would the same answers be refused again?"""
    return isinstance(error, SetupError) or any(f"code: {code}" in str(error) for code in _FOR_GOOD)


def main(machine: Machine) -> int:
    """Set up where something says how; the exit code: 0, AGAIN or IN_VAIN."""
    if machine.is_enrolled:
        return 0
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        found = content(Path(credentials) if credentials else None)
        if found is None:
            return 0
        machine.note.write_text("Setting up by the set-up file …\n", "utf-8")
        set_up(machine, reading.read(found))
    except (CyberAlarmError, OSError) as error:
        in_vain = _is_for_good(error)
        then = "It is not tried again before this machine is restarted." if in_vain else "It is tried again by itself."
        machine.note.write_text(f"Setting up by the set-up file did not work. {then}\n{error}\n", "utf-8")
        return IN_VAIN if in_vain else AGAIN
    machine.note.unlink(missing_ok=True)
    return 0
