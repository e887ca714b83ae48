"""Builds the virtual appliance: a bootable disk image of Debian with the collector, for KVM and Proxmox (qcow2), VMware and
VirtualBox (OVA), and Hyper-V (VHDX).

Made from Debian's packages by mmdebstrap, and from the collector's own package. The disk starts by BIOS and by UEFI, with Secure
Boot too (Debian's signed shim, GRUB and kernel). It has four partitions: GRUB for BIOS, GRUB for UEFI, the system, which is mounted
read-only, and, made by the machine itself when it first starts, the data. The system holds no key and no identity: every copy of
the image becomes a machine of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NAME = "cyberalarm-collector"
SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
PARTS = (
    "systemd-sysv",
    "systemd-resolved",
    "systemd-timesyncd",
    "systemd-repart",
    "udev",
    "dbus",
    "linux-image-amd64",
    "initramfs-tools",
    "zstd",
    "nftables",
    "unattended-upgrades",
    "ca-certificates",
    "python3",
    "kmod",
    "e2fsprogs",
    "iproute2",
    "adduser",
    "tzdata",
)
SLIM = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
PROGRAMS = ("mmdebstrap", "mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "qemu-img", "unshare")

MIB = 1024 * 1024
SECTOR = 512
DISK = 8 * 1024 * MIB  # the data partition gets what the others leave; the spool's 4 GiB fit
ROOT_TYPE = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"  # root of x86-64 (UAPI discoverable partitions)
BIOS_TYPE = "21686148-6449-6e6f-744e-656564454649"  # GRUB's second stage
ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"


@dataclass(frozen=True, slots=True)
class Partition:
    """Where a partition lies, in MiB."""

    begin: int
    size: int
    kind: str
    label: str


BIOS = Partition(1, 1, BIOS_TYPE, "bios")
ESP = Partition(2, 34, ESP_TYPE, "esp")
SYSTEM = Partition(36, 2048, ROOT_TYPE, "cyberalarm-system")


def main() -> None:
    options = argparse.ArgumentParser(description="Builds the collector's virtual appliance.")
    options.add_argument("package", type=Path, help="the collector's Debian package")
    options.add_argument("--folder", type=Path, default=ROOT / "dist", help="where the images are put")
    options.add_argument("--work", type=Path, default=ROOT / ".build" / "appliance")
    options.add_argument("--only-qcow2", action="store_true", help="leave out the other forms")
    chosen = options.parse_args()
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        sys.exit(f"These programs are missing: {', '.join(missing)}. Install them: make system")
    for made in build(chosen.package.resolve(), chosen.folder, chosen.work, only_qcow2=chosen.only_qcow2):
        print(f"{made}\t{made.stat().st_size / MIB:.0f} MiB")


def build(package: Path, folder: Path, work: Path, *, only_qcow2: bool = False) -> list[Path]:
    """Build the images into `folder`; their files."""
    shutil.rmtree(work, ignore_errors=True)
    loaders = work / "loaders"
    loaders.mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)
    _system(work / "system.tar", package, loaders)
    _root_file_system(work)
    _esp(work / "esp.img", loaders)
    disk = work / "disk.raw"
    _disk(disk, work, loaders)
    base = folder / f"{NAME}-{_version()}"
    made = [_converted(disk, base.with_name(base.name + ".qcow2"), "qcow2", "-c")]
    if not only_qcow2:
        made.append(_converted(disk, base.with_name(base.name + ".vhdx"), "vhdx", "-o", "subformat=dynamic"))
        made.append(_ova(disk, base.with_name(base.name + ".ova"), work))
    disk.unlink()
    sums = folder / f"{base.name}.sha256"
    sums.write_text("".join(f"{_sha256(path)}  {path.name}\n" for path in made))
    return [*made, sums]


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _run(*command: str) -> None:
    settings = {**os.environ, "PATH": _path(), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:3])} … failed:\n{done.stdout[-3000:]}{done.stderr[-6000:]}")


def _system(target: Path, package: Path, loaders: Path) -> None:
    """Debian with the collector, as an archive."""
    slim = [f"--dpkgopt=path-exclude={pattern}" for pattern in SLIM]
    _run(
        "mmdebstrap",
        "--variant=apt",
        f"--include={','.join(PARTS)}",
        *slim,
        f'--customize-hook={HERE / "customise"} "$1" {package} {loaders}',
        SUITE,
        str(target),
        f"deb {MIRROR} {SUITE} main",
        f"deb {MIRROR} {SUITE}-updates main",
        f"deb {SECURITY} {SUITE}-security main",
    )


def _root_file_system(work: Path) -> None:
    """The archive as an ext4 file system; in a user namespace where this user is not the superuser."""
    image, tree = work / "system.img", work / "system"
    # Two features that GRUB of Debian 12 and of old rescue disks cannot read are left out.
    make = (
        'mkdir "$1" && tar -xpf "$2" --xattrs --xattrs-include="*" -C "$1" && '
        'mke2fs -q -t ext4 -L cyberalarm-root -m 1 -O ^metadata_csum_seed,^orphan_file -d "$1" "$3" "$4"M && rm -rf "$1"'
    )
    arguments = ("sh", "-euc", make, "sh", str(tree), str(work / "system.tar"), str(image), str(SYSTEM.size))
    _run(*arguments) if os.geteuid() == 0 else _run("unshare", "--map-root-user", "--map-auto", *arguments)
    (work / "system.tar").unlink()


def _esp(image: Path, loaders: Path) -> None:
    """What UEFI starts: Debian's signed shim, which starts its signed GRUB, which looks for its configuration in EFI/debian."""
    with image.open("wb") as file:
        file.truncate(ESP.size * MIB)
    _run("mkfs.vfat", "-n", "ESP", "-i", "CA000001", str(image))
    _run("mmd", "-i", str(image), "::/EFI", "::/EFI/BOOT", "::/EFI/debian")
    for source, target in (
        (loaders / "BOOTX64.EFI", "EFI/BOOT/BOOTX64.EFI"),
        (loaders / "grubx64.efi", "EFI/BOOT/grubx64.efi"),
        (HERE / "boot.cfg", "EFI/debian/grub.cfg"),
    ):
        _run("mcopy", "-i", str(image), str(source), f"::/{target}")


def _disk(disk: Path, work: Path, loaders: Path) -> None:
    """Put the partitions where they belong, and GRUB for BIOS before them."""
    with disk.open("wb") as file:
        file.truncate(DISK)
    lines = [
        f"start={part.begin}MiB, size={part.size}MiB, type={part.kind}, name={part.label}"
        for part in (BIOS, ESP, SYSTEM)
    ]
    subprocess.run(
        ["sfdisk", "--quiet", str(disk)],
        input="label: gpt\n" + "\n".join(lines) + "\n",
        env={**os.environ, "PATH": _path()},
        text=True,
        check=True,
    )
    for part, image in ((ESP, work / "esp.img"), (SYSTEM, work / "system.img")):
        _run("dd", f"if={image}", f"of={disk}", "bs=1M", f"seek={part.begin}", "conv=notrunc,sparse", "status=none")
        image.unlink()
    with disk.open("r+b") as file:
        boot, core = bios_loader(
            (loaders / "boot.img").read_bytes(), (loaders / "core.img").read_bytes(), BIOS.begin * MIB
        )
        if len(core) > BIOS.size * MIB:
            sys.exit("GRUB has become too large for its partition.")
        file.write(boot)
        file.seek(BIOS.begin * MIB)
        file.write(core)


def bios_loader(boot: bytes, core: bytes, place: int) -> tuple[bytes, bytes]:
    """GRUB's two stages, told where the second one lies (bytes from the disk's beginning), as grub-bios-setup does it.

    Offsets are those of GRUB's include/grub/i386/pc/boot.h: 0x5c the second stage's sector, 0x66 a check of the drive that is
    made void on hard disks; and of its diskboot.S: the last 12 bytes of the first sector say where the others are, how many, and
    to which segment.
    """
    sector = place // SECTOR
    first = bytearray(boot[:440])
    first[0x5C:0x64] = struct.pack("<Q", sector)
    first[0x66:0x68] = b"\x90\x90"
    second = bytearray(core + bytes(-len(core) % SECTOR))
    second[SECTOR - 12 : SECTOR] = struct.pack("<QHH", sector + 1, len(second) // SECTOR - 1, 0x820)
    return bytes(first), bytes(second)


def _converted(disk: Path, target: Path, form: str, *options: str) -> Path:
    _run("qemu-img", "convert", "-O", form, *options, str(disk), str(target))
    return target


def _ova(disk: Path, target: Path, work: Path) -> Path:
    """One archive for VMware and VirtualBox: the machine's description, the sums, and the disk, in this order."""
    image = _converted(
        disk, work / f"{target.stem}.vmdk", "vmdk", "-o", "subformat=streamOptimized,adapter_type=lsilogic"
    )
    words = {
        "NAME": NAME,
        "VERSION": _version(),
        "FILE": image.name,
        "SIZE": str(image.stat().st_size),
        "CAPACITY": str(DISK),
    }
    text = (HERE / "collector.ovf").read_text("utf-8")
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    description = work / f"{target.stem}.ovf"
    description.write_text(text, "utf-8")
    manifest = work / f"{target.stem}.mf"
    manifest.write_text("".join(f"SHA256({path.name})= {_sha256(path)}\n" for path in (description, image)))
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in (description, manifest, image):
            archive.add(path, path.name, filter=_anonymous)
    image.unlink()
    return target


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
