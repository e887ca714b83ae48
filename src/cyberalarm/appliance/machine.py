"""This machine: its addresses, its files, and the programs that the console asks. The only module here that touches the system."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm.appliance import writing
from cyberalarm.appliance.errors import CommandFailedError
from cyberalarm.collector import config as configuration
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.appliance.answers import FixedAddress

_SERVICE = "cyberalarm-collector.service"
_SETUP = "cyberalarm-setup.service"
_PATIENCE = 120.0  # seconds; enrolling through a slow proxy takes some


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain, as `doctor` found it."""

    name: str
    verdict: str
    found: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things are; tests have a folder of their own in place of `/`, and programs of their own in place of the machine's."""

    root: Path = Path("/")
    programs: Path = Path("/usr/bin")

    @property
    def config(self) -> Path:
        return self.root / "etc/cyberalarm/collector.toml"

    @property
    def fixed_network(self) -> Path:
        return self.root / "etc/systemd/network/10-fixed.network"

    @property
    def note(self) -> Path:
        """What became of a set-up file, for the console to show."""
        return self.root / "run/cyberalarm-setup.txt"

    def setup_note(self) -> str:
        """What became of a set-up file; empty where there was none."""
        try:
            return self.note.read_text("utf-8").strip()
        except OSError:
            return ""

    @property
    def is_enrolled(self) -> bool:
        return (self.root / "var/lib/cyberalarm-collector/identity.json").exists()

    @property
    def is_starting(self) -> bool:
        """Is the collector on its way up? Its packs and its spool are looked at first."""
        try:
            return self._run("systemctl", "show", "--property=ActiveState", "--value", _SERVICE).strip() == "activating"
        except CommandFailedError:
            return False

    @property
    def fixed_address(self) -> str:
        """The fixed address with its network's size; empty where the network gives one."""
        try:
            lines = self.fixed_network.read_text("utf-8").splitlines()
        except OSError:
            return ""
        return next((line.partition("=")[2] for line in lines if line.startswith("Address=")), "")

    @property
    def proxy(self) -> str:
        try:
            return self.settings.proxy
        except CyberAlarmError:
            return ""  # the doctor says what is wrong with the configuration

    @property
    def own_networks(self) -> list[str]:
        try:
            return list(self.settings.networks.own)
        except CyberAlarmError:
            return []

    @property
    def settings(self) -> configuration.CollectorConfig:
        """Raises ConfigurationError."""
        return configuration.load(self.config)

    def addresses(self) -> list[str]:
        """This machine's addresses that others can reach, IPv4 first."""
        try:
            said = json.loads(self._run("ip", "-json", "address", "show", "scope", "global"))
        except (CyberAlarmError, ValueError):
            return []
        found = [one for link in said for one in link.get("addr_info", []) if not one.get("temporary")]
        found.sort(key=lambda one: str(one.get("family")))  # inet before inet6
        return [str(one["local"]) for one in found if "local" in one]

    def enrol(self, token: str, *, aside: bool = False) -> str:
        """Enrol, and start the collector; what was said. Raises CommandFailedError with the words of the refusal."""
        return self._run("cyberalarm-collector", "enrol", *(["--set-aside"] if aside else []), given=token)

    def links(self) -> list[Link]:
        """What `doctor` finds, in its order. Raises CommandFailedError."""
        said = self._run("cyberalarm-collector", "doctor", "--output", "json", ends=(0, 1, 4))
        try:
            return [
                Link(str(one["link"]), str(one["verdict"]), str(one["found"]), _by_root(str(one["next_step"])))
                for one in json.loads(said)
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise CommandFailedError(said.strip()[:500]) from error

    def doctor(self) -> str:
        """What `doctor` says to people."""
        return _by_root(self._run("cyberalarm-collector", "doctor", ends=(0, 1, 4)))

    def set_proxy(self, proxy: str) -> None:
        self._configure(writing.with_proxy(self._text(), proxy))

    def set_own_networks(self, own: Sequence[str]) -> None:
        self._configure(writing.with_own_networks(self._text(), own))

    def _text(self) -> str:
        return self.config.read_text("utf-8") if self.config.exists() else ""

    def _configure(self, text: str) -> None:
        """Replace the configuration with one that was checked, and let the collector take it up."""
        if text == self._text():
            return
        tried = self.config.with_suffix(".new")
        tried.unlink(missing_ok=True)
        tried.touch(0o600)
        tried.write_text(text, "utf-8")
        self._give_rights(tried)
        try:
            configuration.load(tried)
        except CyberAlarmError:
            tried.unlink()
            raise
        tried.replace(self.config)
        if self.is_enrolled:
            self._run("systemctl", "restart", _SERVICE)

    def _give_rights(self, tried: Path) -> None:
        """Those of the configuration that it takes the place of, which may hold a proxy's password."""
        try:
            before = self.config.stat()
        except FileNotFoundError:
            tried.chmod(0o644)
            return
        os.chown(tried, before.st_uid, before.st_gid)
        tried.chmod(before.st_mode & 0o777)

    def set_network(self, fixed: FixedAddress | None) -> None:
        """A fixed address; None: the network gives one."""
        text = writing.network_file(fixed) if fixed else ""
        there = self.fixed_network.read_text("utf-8") if self.fixed_network.exists() else ""
        if text == there:
            return
        if fixed:
            self.fixed_network.write_text(text, "utf-8")
        else:
            self.fixed_network.unlink()
        self._run("networkctl", "reload")
        os.sync()

    def leave_setup(self) -> None:
        """A person sets this machine up: the set-up file must not change it back meanwhile."""
        self._run("systemctl", "stop", _SETUP)
        self.note.unlink(missing_ok=True)

    def restart(self) -> None:
        self._run("systemctl", "reboot")

    def switch_off(self) -> None:
        self._run("systemctl", "poweroff")

    def shell(self) -> None:
        """A command line on this terminal, until it is left. What this program's own errors go to is not its affair."""
        bash = [str(self.root / "bin/bash"), "--login", "-i"]
        subprocess.run(bash, cwd="/root", stderr=sys.stdout.fileno(), check=False)

    def _run(self, program: str, *arguments: str, given: str = "", ends: tuple[int, ...] = (0,)) -> str:
        command = [str(self.programs / program), *arguments]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
            )
        except subprocess.TimeoutExpired as error:
            slow = f"{program} took longer than {_PATIENCE:.0f} seconds: this machine is very busy, or too slow."
            raise CommandFailedError(slow) from error
        except OSError as error:
            raise CommandFailedError(f"{program} could not be started: {error.strerror}.") from error
        if done.returncode not in ends:
            raise CommandFailedError((done.stderr or done.stdout).strip())
        return done.stdout


def _by_root(text: str) -> str:
    """Advice as it holds here, where the command line is root's and there is no sudo."""
    return re.sub(r"\bsudo (?=[a-z])", "", text)
