"""The virtual appliance, started for real: set up at its console and by files, its envelopes reach a real centre.

`make test-appliance` runs it; `make test` does not, since making the image takes minutes and a network. CYBERALARM_APPLIANCE names
the image.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.collector.members import blocked
from tests.collector.processes import wait_for
from tests.deploy.appliance_machine import ACCELERATOR, ANSWERING, BOOTING, CENTRE_ADDRESS, Appliance, secure_boot
from tests.whole.centres import RealCentre

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def image() -> Path:
    path = Path(os.environ["CYBERALARM_APPLIANCE"])
    assert path.exists(), f"{path}: make appliance"
    return path


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCentre]:
    """A centre on loopback, which names itself as the appliance sees it."""
    made = RealCentre.make(tmp_path_factory.mktemp("centre") / "centre")
    config = made.config.read_text()
    made.config.write_text(f'public_url = "https://{CENTRE_ADDRESS}"\nallowed_hosts = ["{CENTRE_ADDRESS}"]\n{config}')
    made.start()
    yield made
    made.stop()


def _port(centre: RealCentre) -> int:
    [line] = [line for line in centre.config.read_text().splitlines() if line.startswith("port")]
    return int(line.split("=")[1])


def _tell(what: str, began: float) -> None:
    print(f"  {what}: {time.monotonic() - began:.1f} s ({ACCELERATOR})")


def _arrives(machine: Appliance, centre: RealCentre, began: float) -> None:
    """A line that is sent into the machine comes out at the centre, as a sealed envelope."""
    before = centre.received()
    number = int(time.monotonic() * 10)

    def comes_out() -> bool:
        machine.send(blocked(number))
        machine.read(1)
        return centre.received() > before

    # A machine that was just started has to come up first; a bundle is closed each minute.
    wait_for("the envelope at the centre", comes_out, BOOTING + 90)
    _tell("from power on to an envelope at the centre", began)


def _opens_the_menu(machine: Appliance) -> None:
    """From the screen that says how things are, when it says so anew."""
    machine.forget()
    machine.expect("Press M", ANSWERING)
    machine.write("m")


def _at_the_command_line(machine: Appliance, *commands: str) -> str:
    """What commands print, at the command line that the menu offers."""
    _opens_the_menu(machine)
    machine.answer("Number (Enter: back):", "8")
    machine.expect("root@cyberalarm-collector:")  # the prompt
    machine.write("; ".join(commands) + "; echo D''ONE\r")
    said = machine.expect("DONE", 2 * ANSWERING)
    machine.write("exit\r")
    return said


def test_set_up_at_its_console(image: Path, centre: RealCentre, tmp_path: Path) -> None:
    [member] = centre.provision(("Example School", "kent"))
    machine = Appliance.of(image, tmp_path / "machine", _port(centre))
    began = time.monotonic()
    try:
        machine.start()
        machine.expect("first steps", BOOTING)
        _tell("from power on to the first question", began)
        machine.expect("Press Enter to begin")
        machine.picture("first-steps")
        machine.answer("Press Enter to begin")
        machine.answer("Fixed address", "10.0.2.77/24")
        machine.answer("Gateway", "10.0.2.2")
        machine.answer("DNS servers")
        machine.answer("Proxy, such as", "not a proxy")
        assert "That cannot be used" in machine.answer("Proxy, such as")
        machine.answer("Public addresses or networks", "203.0.113.0/24")
        machine.answer("Token (Enter", member.token[:-3])
        assert "cut off" in machine.answer("Token (Enter", member.token)
        assert f"Enrolled as {member.collector}" in machine.answer("Press Enter to go on")
        assert "10.0.2.77" in machine.expect("Press M")
        machine.picture("enrolled")
    finally:
        machine.end()


def test_set_up_by_a_file_it_reports_and_goes_on_after_a_restart(
    image: Path, centre: RealCentre, tmp_path: Path
) -> None:
    [member] = centre.provision(("Example Charity", "kent"))
    setup = tmp_path / "setup.toml"
    setup.write_text(f'token = "{member.token}"\nown = ["203.0.113.0/24"]\n')
    machine = Appliance.of(image, tmp_path / "machine", _port(centre))
    try:
        began = time.monotonic()
        machine.start("-fw_cfg", f"name=opt/io.systemd.credentials/cyberalarm.setup,file={setup}")
        machine.expect("Point your firewall's syslog at", BOOTING)
        _tell("from power on to enrolled, without a person", began)
        _arrives(machine, centre, began)
        _closed_and_small(machine)
        machine.forget()
        machine.expect("All is well.", 2 * ANSWERING)
        machine.expect("Press M")
        machine.picture("all-is-well")
        machine.switch_off()
        began = time.monotonic()
        machine.start()
        _arrives(machine, centre, began)
    finally:
        machine.end()


def _closed_and_small(machine: Appliance) -> None:
    """Nothing listens but for syslog, nobody has a password, nothing failed, the system cannot be written, 512 MB are enough."""
    said = _at_the_command_line(
        machine,
        "ss -lntuHO",
        "systemctl --failed --no-legend | sed s/^/F''AILED:/",
        "touch /usr/x 2>&1",
        "findmnt -no OPTIONS / | sed s/^/R''OOT:/",
        "free -m",
        "df -m /data /",
        "nft list ruleset | grep -c 'policy drop'",
        "grep -E 'VmRSS|VmHWM' /proc/$(systemctl show -P MainPID cyberalarm-collector)/status",
        'awk -F: \'$2 !~ /^[!*]/ {print "P" "ASSWORD:" $1}\' /etc/shadow',
        "ls /usr/sbin/sshd 2>&1",
        "for n in 1 2 3 4 5 6; do grep -ao 'All is well' /dev/vcs1 && break; sleep 10; done | sed s/^/S''CREEN:/",
        "journalctl -b -p warning --no-pager -o cat",
        "systemd-analyze",
    )
    print(said)
    listening = [line.split() for line in said.splitlines() if line.split()[:1] in (["udp"], ["tcp"])]
    outside = {(line[0], line[4].rpartition(":")[2]) for line in listening if not line[4].startswith(("127.", "[::1]"))}
    assert {("udp", "514"), ("tcp", "514")} <= outside
    assert {line[0] for line in listening if line[4] == "[::]:514"} == {"udp", "tcp"}
    assert outside <= {("udp", "514"), ("tcp", "514"), ("udp", "68"), ("udp", "546")}
    assert "FAILED:" not in said
    assert "PASSWORD:" not in said
    assert "'/usr/sbin/sshd': No such file" in said
    assert "SCREEN:All is well" in said, "the screen shows what the serial line does"
    kilobytes = {name: int(number) for name, number in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", said)}
    assert kilobytes["VmHWM"] < 100 * 1024
    assert "Read-only file system" in said
    assert "ROOT:ro" in said


def test_set_up_by_a_disk_with_secure_boot(image: Path, centre: RealCentre, tmp_path: Path) -> None:
    firmware = secure_boot(tmp_path)
    if firmware is None:
        pytest.skip("ovmf is not installed")
    [member] = centre.provision(("Example Council", "kent"))
    (tmp_path / "setup.toml").write_text(f'token = "{member.token}"\n')
    disk = tmp_path / "setup.img"
    with disk.open("wb") as file:
        file.truncate(4 * 1024 * 1024)
    subprocess.run(["/usr/sbin/mkfs.vfat", "-n", "CYBERALARM", str(disk)], check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", str(disk), str(tmp_path / "setup.toml"), "::/"], check=True)
    machine = Appliance.of(image, tmp_path / "machine", _port(centre), firmware=firmware)
    try:
        began = time.monotonic()
        machine.start("-drive", f"file={disk},format=raw,if=virtio,readonly=on")
        machine.expect("Point your firewall's syslog at", BOOTING)
        _tell("from power on to enrolled, by UEFI with Secure Boot", began)
        said = _at_the_command_line(machine, "dmesg | grep -i 'secure boot'")
        assert "Secure boot enabled" in said
    finally:
        machine.end()
