"""The virtual appliance's image in qemu: a copy of its disk, a serial line as its console, and a network that ends at loopback.

Nothing of the machine reaches any other network: the two ways out and in are named one by one.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.collector.members import free_port
from tests.collector.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where the machine finds the centre; a relay process for each connection takes it to loopback.
CENTRE_ADDRESS = "10.0.2.100"
_RELAY = """
import os, select, socket, sys
way = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    ready, _, _ = select.select([0, way], [], [])
    for one in ready:
        data = os.read(0, 65536) if one == 0 else way.recv(65536)
        if not data:
            sys.exit()
        way.sendall(data) if one == 0 else os.write(1, data)
"""


# Emulation works everywhere; `kvm` is some fifteen times as fast where the machine has it.
ACCELERATOR = os.environ.get("CYBERALARM_QEMU", "tcg")
CPU = "host" if ACCELERATOR == "kvm" else "Nehalem"
# Seconds: from power on to what the console first says or to a machine that is off, and for an answer of one that runs. By
# emulation on two cores with much other work (a load of 16) it took 600 s until a set-up disk had done its work.
BOOTING, ANSWERING = (90.0, 30.0) if ACCELERATOR == "kvm" else (1500.0, 300.0)
# A folder that gets pictures of the screen, as a person sees it in a hypervisor.
SCREENS = os.environ.get("CYBERALARM_SCREENS", "")


@dataclass(slots=True)
class Appliance:
    folder: Path
    centre_port: int
    memory: int = 512
    firmware: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None
    screen: bytes = b""
    syslog: int = field(default_factory=lambda: free_port(socket.SOCK_DGRAM))
    _serial: socket.socket | None = None

    @classmethod
    def of(cls, image: Path, folder: Path, centre_port: int, **settings: object) -> Appliance:
        """A machine of its own: what it writes goes into a layer over the image."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            str(image.resolve()),
            str(folder / "disk.qcow2"),
        ]
        subprocess.run(command, check=True)
        return cls(folder, centre_port, **settings)  # type: ignore[arg-type]

    def start(self, *options: str) -> None:
        relay = self.folder / "relay.py"
        relay.write_text(_RELAY)
        network = (
            f"user,id=net,restrict=on,hostfwd=udp:127.0.0.1:{self.syslog}-:514"
            f",guestfwd=tcp:{CENTRE_ADDRESS}:443-cmd:{sys.executable} {relay} {self.centre_port}"
        )
        serial = self.folder / "serial"
        serial.unlink(missing_ok=True)
        command = [
            *("qemu-system-x86_64", "-accel", ACCELERATOR, "-cpu", CPU),
            *("-m", str(self.memory), "-smp", "1", "-display", "none", "-no-reboot"),
            *("-monitor", f"unix:{self.folder / 'monitor'},server=on,wait=off"),
            *("-drive", f"file={self.folder / 'disk.qcow2'},if=none,id=disk", "-device", "ahci,id=sata"),
            *("-device", "ide-hd,drive=disk,bus=sata.0", "-netdev", network, "-device", "e1000,netdev=net"),
            *("-chardev", f"socket,id=line,path={serial},server=on,wait=off", "-serial", "chardev:line"),
            *self.firmware,
            *options,
        ]
        with (self.folder / "qemu.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the serial line", serial.exists, 20)
        self._serial = socket.socket(socket.AF_UNIX)
        self._serial.connect(str(serial))
        self.screen = b""

    def read(self, seconds: float = 0.2) -> None:
        """Take what came on the console within some time."""
        assert self._serial is not None
        ready, _, _ = select.select([self._serial], [], [], seconds)
        if ready:
            self.screen += self._serial.recv(65536)

    def expect(self, words: str, seconds: float = ANSWERING) -> str:
        """Wait until the console says something; what it said up to there, which is then forgotten."""
        until = time.monotonic() + seconds
        while words.encode() not in self.screen:
            assert time.monotonic() < until, (
                f"{words!r} not within {seconds:.0f} s; said: {self.screen[-3000:].decode('utf-8', 'replace')}"
            )
            assert self.process is not None
            assert self.process.poll() is None, f"qemu ended: {(self.folder / 'qemu.log').read_text()[-2000:]}"
            self.read()
        said, _, self.screen = self.screen.partition(words.encode())
        return said.decode("utf-8", "replace")

    def write(self, text: str) -> None:
        """Type slowly enough for a serial line's buffer of 16 bytes."""
        assert self._serial is not None
        for at in range(0, len(text), 16):
            self._serial.sendall(text[at : at + 16].encode())
            self.read(0.02)

    def answer(self, question: str, text: str = "") -> str:
        said = self.expect(question)
        self.write(text + "\r")
        return said

    def forget(self) -> None:
        """Nothing that the console said until now counts as an answer."""
        self.read(0)
        self.screen = b""

    def picture(self, name: str) -> None:
        """Keep what the screen shows as `name`.png, where somebody wants to see it."""
        if not SCREENS:
            return
        path = Path(SCREENS).resolve() / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(ANSWERING)
            monitor.connect(str(self.folder / "monitor"))
            for command in (b"", f"screendump {path} -f png\n".encode()):
                monitor.sendall(command)
                said = b""
                while b"(qemu) " not in said:
                    said += monitor.recv(4096)

    def send(self, line: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.sendto(line, ("127.0.0.1", self.syslog))

    def switch_off(self) -> None:
        """By its own menu."""
        self.write("m")
        self.answer("Number (Enter: back):", "7")
        self.answer("(yes, or Enter: no)", "yes")
        assert self.process is not None
        until = time.monotonic() + BOOTING
        while self.process.poll() is None:
            assert time.monotonic() < until, f"still on after {BOOTING:.0f} s; said: {self.screen[-2000:]!r}"
            self.read()
        self._closed()

    def end(self) -> None:
        """Pull the plug, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._closed()

    def _closed(self) -> None:
        if self._serial is not None:
            self._serial.close()
        self._serial = self.process = None


def secure_boot(folder: Path) -> list[str] | None:
    """qemu's options for UEFI that starts signed programs only; None where Debian's ovmf is not installed."""
    code, store = Path("/usr/share/OVMF/OVMF_CODE_4M.ms.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
    if not code.exists():
        return None
    own = folder / "efi-store.fd"
    shutil.copyfile(store, own)
    return [
        *("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,format=raw,unit=0,file={code},readonly=on"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={own}"),
    ]
