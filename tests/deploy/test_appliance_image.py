"""The appliance's image, as far as it can be judged without starting it; `make test-appliance` starts it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import tomllib
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.collector.config import CollectorConfig
from deploy.appliance.build import BIOS, DISK, ESP, MIB, SYSTEM, bios_loader
from tests.collector.processes import ROOT

FOLDER = ROOT / "deploy" / "appliance"
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"


def test_partitions_follow_each_other_and_leave_room_for_the_spool() -> None:
    assert BIOS.begin + BIOS.size <= ESP.begin
    assert ESP.begin + ESP.size <= SYSTEM.begin
    spool = 4 * 1024
    assert DISK // MIB - SYSTEM.begin - SYSTEM.size > spool + 1024


def test_firmware_and_the_system_know_the_partitions_by_their_kinds() -> None:
    """sfdisk has names of its own for them; it would take any number for a kind."""
    done = subprocess.run(
        ["sfdisk", "--label", "gpt", "--list-types"],
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=True,
    )
    kinds = {
        line.split()[0].lower(): line.split(maxsplit=1)[1]
        for line in done.stdout.splitlines()
        if "-" in line.split(" ")[0]
    }
    assert [kinds[part.kind] for part in (BIOS, ESP, SYSTEM)] == ["BIOS boot", "EFI System", "Linux root (x86-64)"]


@given(st.binary(min_size=512, max_size=512), st.binary(min_size=1024, max_size=4096), st.integers(1, 4096))
def test_grubs_first_stage_is_told_where_the_second_lies(boot: bytes, core: bytes, mib: int) -> None:
    first, second = bios_loader(boot, core, mib * MIB)
    assert len(first) == 440, "the partition table behind it is not touched"
    assert struct.unpack_from("<Q", first, 0x5C) == (mib * MIB // 512,)
    start, count, segment = struct.unpack_from("<QHH", second, 500)
    assert (start, segment) == (mib * MIB // 512 + 1, 0x820)
    assert (count + 1) * 512 == len(second) >= len(core)
    assert second[512 : len(core)] == core[512:]


def test_the_machines_description_is_whole() -> None:
    tree = ET.parse(FOLDER / "collector.ovf")
    [file] = tree.iter(f"{OVF}File")
    [disk] = tree.iter(f"{OVF}Disk")
    assert disk.attrib[f"{OVF}fileRef"] == file.attrib[f"{OVF}id"]
    items = [{part.tag.removeprefix(RASD): part.text for part in item} for item in tree.iter(f"{OVF}Item")]
    kinds = {item["ResourceType"]: item for item in items}
    assert kinds["4"]["VirtualQuantity"] == "512"
    assert kinds["17"]["HostResource"] == f"ovf:/disk/{disk.attrib[f'{OVF}diskId']}"
    assert kinds["17"]["Parent"] == kinds["20"]["InstanceID"]
    assert len({item["InstanceID"] for item in items}) == len(items)


def test_nothing_but_syslog_is_let_in() -> None:
    rules = (FOLDER / "root" / "etc" / "nftables.conf").read_text("utf-8")
    body = rules.partition("chain input {")[2].partition("}\n  chain")[0]
    assert "policy drop" in body
    opened = re.findall(r"^\s+(udp|tcp) dport ([^a-z]+?)(?: ct state new)? accept", body, re.MULTILINE)
    assert opened == [("udp", "514"), ("tcp", "{ 514, 6514 }")]


def test_no_remote_access_and_no_compiler_is_asked_for() -> None:
    asked = (FOLDER / "build.py").read_text("utf-8").partition("PARTS = (")[2].partition(")\n")[0]
    assert not re.search(r"ssh|telnet|gcc|build-essential|curl|pip", asked)
    assert "usermod --lock root" in (FOLDER / "customise").read_text("utf-8")


def test_what_each_copy_must_make_for_itself_is_not_in_the_image() -> None:
    customise = (FOLDER / "customise").read_text("utf-8")
    assert ': > "$root/etc/machine-id"' in customise
    assert "random-seed" in customise


def test_folders_that_are_bound_are_made_on_the_data_partition() -> None:
    fstab = (FOLDER / "root" / "etc" / "fstab").read_text("utf-8")
    bound = set(re.findall(r"^/data/(\w+)\s", fstab, re.MULTILINE))
    made = (FOLDER / "root" / "usr" / "lib" / "repart.d" / "50-data.conf").read_text("utf-8")
    there = set(re.findall(r"^CopyFiles=\S+:/(\w+)$", made, re.MULTILINE)) | set(
        re.findall(r"^MakeDirectories=/(\w+)$", made, re.MULTILINE)
    )
    assert bound == there
    label = re.search(r"^Label=(\S+)$", made, re.MULTILINE)
    assert label is not None
    assert f"PARTLABEL={label[1]} " in fstab


def test_what_is_mounted_is_what_fstab_says() -> None:
    """systemd would mount the EFI partition at a folder that a read-only system lacks, and call that a failure."""
    options = (FOLDER / "root" / "boot" / "grub" / "grub.cfg").read_text("utf-8")
    assert re.search(r"^set options=.* systemd\.gpt_auto=no ", options, re.MULTILINE)


def test_its_configuration_takes_lines_at_every_address_and_lacks_the_examples_network() -> None:
    delivered = (ROOT / "deploy" / "collector" / "collector.toml").read_text("utf-8")
    customise = (FOLDER / "customise").read_text("utf-8")
    [script] = re.findall(
        r"^sed -i '(.+?)' \"\$root/etc/cyberalarm/collector\.toml\"$", customise, re.MULTILINE | re.DOTALL
    )
    done = subprocess.run(["sed", script], input=delivered, capture_output=True, text=True, check=True)
    before, after = tomllib.loads(delivered), tomllib.loads(done.stdout)
    everywhere = ["0.0.0.0:514", "[::]:514"]
    assert before["networks"]["own"] != []
    assert after == {**before, "networks": {"own": []}, "listen": {"udp": everywhere, "tcp": everywhere}}
    assert CollectorConfig.model_validate(after).listen.udp == everywhere
