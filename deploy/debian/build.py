"""Builds `cyberalarm-collector_<version>_amd64.deb`: the collector with its Python parts, for a machine of one's own.

The package holds a virtual environment without an interpreter: it uses the system's python3. What is written in Python, and what
keeps to Python's stable binary interface, is there once; the two parts that are made for one version of Python are there for
each of `PYTHONS`. So one file fits Debian 12 and 13 and Ubuntu 24.04, and nothing is compiled or fetched when it is installed.
The centre, the scanner and the lab are left out: a member's machine has no use for them.

The same input gives the same bytes: every file has the time SOURCE_DATE_EPOCH (that of the last commit, when it is not set).
Input is what is in this checkout, the wheels that requirements.lock names by hash, the kernel's compiler, and dpkg-deb.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.markers import Marker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCK = HERE / "requirements.lock"
NAME = "cyberalarm-collector"
# Debian 12, Ubuntu 24.04, Debian 13, and the one after: a range without gaps, so that Depends can say it.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Older than the glibc of Debian 12 (2.36).
PLATFORMS = [f"manylinux_{version}_x86_64" for version in ("2_34", "2_28", "2_17")] + ["manylinux2014_x86_64"]
HOME = f"usr/lib/{NAME}"
# What a member's machine has no use for, below cyberalarm/.
LEFT_OUT = ("central", "scanner", "lab", "cli/demonstration", "cli/demo.py", "core/countries.mmdb")
FORBIDDEN = ("django", "chdb", "pyarrow", "numpy", "pip", "setuptools")


def main() -> None:
    options = argparse.ArgumentParser(description="Builds the collector's Debian package.")
    options.add_argument("--folder", type=Path, default=ROOT / "dist", help="where the package is put")
    options.add_argument("--work", type=Path, default=ROOT / ".build" / "deb", help="what is kept between two builds")
    options.add_argument("--wheel", type=Path, help="the program's wheel; built when it is not named")
    options.add_argument("--quick", action="store_true", help="compress little, for tests")
    chosen = options.parse_args()
    print(build(chosen.folder, chosen.work, chosen.wheel, level=1 if chosen.quick else 6))


def build(folder: Path, work: Path, wheel: Path | None = None, *, level: int = 6) -> Path:
    """Build the package into `folder`; its file."""
    epoch = _epoch()
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    wheels = _fetched(work / "wheels")
    _install_python(tree / HOME, wheels, wheel or _wheel(work / "own"))
    _install_files(tree, _version())
    _tidy(tree, epoch)
    _compile_packs(tree / HOME, epoch)
    _control(tree, _version(), epoch)
    package = folder / f"{NAME}_{_version()}_amd64.deb"
    _run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", f"-z{level}", "--build", str(tree), str(package)],
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return package


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def _epoch() -> int:
    """Seconds since 1970 that every file of the package gets."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    return int(_run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]))


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    # maturin is there. The same PATH as in the Makefile, or the kernel would be compiled anew.
    programs, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    beside = path if path.startswith(programs + os.pathsep) else f"{programs}{os.pathsep}{path}"
    settings = {**os.environ, "PATH": beside, "TZ": "UTC", "LC_ALL": "C.UTF-8", **(environment or {})}
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:4])} … failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def _pip(*arguments: str) -> None:
    _run([sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"])


def _target(python: str) -> list[str]:
    """pip's options for wheels of another version of Python than this one."""
    abis = [f"cp{python.replace('.', '')}", "abi3", "none"]
    chosen = ["--python-version", python, "--implementation", "cp", "--only-binary", ":all:"]
    return [*chosen, *(f"--abi={abi}" for abi in abis), *(f"--platform={name}" for name in PLATFORMS)]


def _lock_of(python: str) -> str:
    """What the lock asks of this Python: pip itself would judge the conditions by the Python that it runs in."""
    where = {"python_version": python, "python_full_version": f"{python}.0"}
    kept = []
    for entry in re.split(r"\n(?=[A-Za-z0-9])", LOCK.read_text("utf-8")):
        condition = re.match(r"[^;\\\n]*;([^\\\n]*)", entry)
        if condition is None or Marker(condition[1].strip()).evaluate(where):
            kept.append(entry.rstrip("\n"))
    return "\n".join(kept) + "\n"


def _fetched(folder: Path) -> dict[str, Path]:
    """The locked wheels for each Python, verified by pip against the lock; fetched once for each state of the lock."""
    edition = hashlib.sha256(LOCK.read_bytes() + repr((PYTHONS, PLATFORMS)).encode()).hexdigest()[:12]
    base = folder / edition
    for python in PYTHONS:
        if (base / python).is_dir():
            continue
        shutil.rmtree(base / f"{python}.new", ignore_errors=True)
        own = base.with_name(f"{edition}-{python}.lock")
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(_lock_of(python), "utf-8")
        lock = ["--no-deps", "--require-hashes", "-r", str(own)]
        _pip("download", *_target(python), *lock, "--dest", str(base / f"{python}.new"))
        (base / f"{python}.new").rename(base / python)
    return {python: base / python for python in PYTHONS}


def _wheel(folder: Path) -> Path:
    """The program's own wheel, with the kernel, made by maturin."""
    shutil.rmtree(folder, ignore_errors=True)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    [wheel] = folder.glob("cyberalarm-*-abi3-*.whl")
    return wheel


def _fits_all(wheel: Path) -> bool:
    """Can every version of Python load it?"""
    return "-none-any" in wheel.name or "-abi3-" in wheel.name


def _unpack(folder: Path, wheels: list[Path], *target: str) -> None:
    _pip("install", "--no-index", "--no-compile", "--no-deps", "--target", str(folder), *target, *map(str, wheels))


def _install_python(home: Path, wheels: dict[str, Path], own: Path) -> None:
    """A virtual environment: `shared` for all versions, `lib/pythonX.Y/site-packages` for what only that version can load."""
    shared = home / "shared"
    for python, folder in wheels.items():
        site = home / "lib" / f"python{python}" / "site-packages"
        bound = [wheel for wheel in sorted(folder.glob("*.whl")) if not _fits_all(wheel)]
        _unpack(site, bound, *_target(python))
        (site / "shared.pth").write_text(f"/{HOME}/shared\n")
    fitting = [wheel for wheel in sorted(wheels[PYTHONS[0]].glob("*.whl")) if _fits_all(wheel)]
    _unpack(shared, fitting, *_target(PYTHONS[0]))
    _unpack(shared, [own])
    for unwanted in home.glob("**/bin"):
        shutil.rmtree(unwanted)
    for name in LEFT_OUT:
        path = shared / "cyberalarm" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (home / "bin").mkdir()
    (home / "bin" / "python3").symlink_to("../../../bin/python3")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    carried = {path.name.lower() for path in home.glob("**/*") if path.is_dir()} & set(FORBIDDEN)
    if carried:
        sys.exit(f"The package would carry {', '.join(sorted(carried))}, which a member's machine must not.")


def _install_files(tree: Path, version: str) -> None:
    """Programs, unit, configuration and documentation, where Debian has them."""
    unit = (ROOT / "deploy" / "collector" / "cyberalarm-collector.service").read_text("utf-8")
    unit, changed = re.subn(r"/opt/cyberalarm/bin/cyberalarm\b", "/usr/bin/cyberalarm", unit)
    if not changed:
        sys.exit(
            "The unit no longer names /opt/cyberalarm/bin/cyberalarm: say here what the package shall put in its place."
        )
    systemd = tree / "usr/lib/systemd/system"
    _write(systemd / f"{NAME}.service", unit)
    _copy(HERE / "10-enrolled.conf", systemd / f"{NAME}.service.d/10-enrolled.conf")
    _copy(HERE / "sysctl.conf", tree / f"usr/lib/sysctl.d/60-{NAME}.conf")
    _copy(HERE / "cyberalarm", tree / "usr/bin/cyberalarm", 0o755)
    _copy(HERE / "cyberalarm-collector", tree / "usr/bin/cyberalarm-collector", 0o755)
    _copy(ROOT / "deploy" / "collector" / "collector.toml", tree / "etc/cyberalarm/collector.toml")
    documents = tree / "usr/share/doc" / NAME
    _copy(HERE / "copyright", documents / "copyright")
    for name in ("collector.md", "configuration.md", "install-debian.md"):
        _copy(ROOT / "docs" / name, documents / name)
    _copy(HERE / "lintian-overrides", tree / "usr/share/lintian/overrides" / NAME)
    for page in ("cyberalarm.1", "cyberalarm-collector.8"):
        text = (HERE / page).read_text("utf-8").replace("@VERSION@", version)
        _write(tree / f"usr/share/man/man{page[-1]}" / page, text)


def _copy(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")


def _tidy(tree: Path, epoch: int) -> None:
    """Drop what pip leaves behind and differs from build to build, compress the pages, and give each file one time and mode."""
    for path in [
        *tree.glob("**/*.dist-info/RECORD"),
        *tree.glob("**/*.dist-info/direct_url.json"),
        *tree.glob("**/*.dist-info/REQUESTED"),
    ]:
        path.unlink()
    changelog = tree / "usr/share/doc" / NAME / "changelog"
    day = _run(["date", "-u", "-R", "-d", f"@{epoch}"]).strip()
    entry = "  * See CHANGELOG.md of the project."
    changelog.write_text(
        f"{NAME} ({_version()}) unstable; urgency=medium\n\n{entry}\n\n -- CyberAlarm <cyberalarm@example.org>  {day}\n"
    )
    for page in [changelog, *tree.glob("usr/share/man/man*/*")]:
        _run(["gzip", "-9n", str(page)])
    for path in sorted(tree.rglob("*"), reverse=True):
        if not path.is_symlink():
            runs = path.is_dir() or (path.stat().st_mode & 0o100 and path.suffix != ".so" and path.parent.name == "bin")
            path.chmod(0o755 if runs else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _compile_packs(home: Path, epoch: int) -> None:
    """The packs in the kernel's own form, as the program makes them when it first starts; its name is bound to the files' times."""
    program = (
        "import sys; sys.dont_write_bytecode = True; sys.path[:0] = sys.argv[1:]\n"
        "from cyberalarm.formats.library import compile_bundled; print(compile_bundled())"
    )
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    if mine not in PYTHONS:
        sys.exit(f"Build with one of Python {', '.join(PYTHONS)}; this is {mine}.")
    paths = [str(home / "shared"), str(home / "lib" / f"python{mine}" / "site-packages")]
    made = Path(_run([sys.executable, "-IS", "-c", program, *paths]).strip().splitlines()[-1])
    made.chmod(0o644)
    for path in (made, made.parent, made.parent.parent):
        os.utime(path, (epoch, epoch))


def _glibc(tree: Path) -> str:
    """The newest version of the C library that any of the compiled parts asks for."""
    named = {found for path in tree.rglob("*.so") for found in re.findall(rb"GLIBC_(\d+)\.(\d+)", path.read_bytes())}
    major, minor = max((int(major), int(minor)) for major, minor in named)
    return f"{major}.{minor}"


def _control(tree: Path, version: str, epoch: int) -> None:
    """The package's description and what runs when it comes and goes."""
    control = tree / "DEBIAN"
    control.mkdir()
    size = sum((path.lstat().st_size + 1023) // 1024 for path in tree.rglob("*") if path.is_file())
    upper = f"{PYTHONS[-1].split('.')[0]}.{int(PYTHONS[-1].split('.')[1]) + 1}"
    fields = {"VERSION": version, "SIZE": str(size), "LOWEST": PYTHONS[0], "ABOVE": upper, "GLIBC": _glibc(tree)}
    text = re.sub(r"@([A-Z]+)@", lambda found: fields[found[1]], (HERE / "control").read_text("utf-8"))
    (control / "control").write_text(text, "utf-8")
    (control / "conffiles").write_text("/etc/cyberalarm/collector.toml\n")
    sums = []
    for path in sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()):
        name = path.relative_to(tree)
        if name.parts[0] not in {"DEBIAN", "etc"}:
            sums.append(f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {name}\n")
    (control / "md5sums").write_text("".join(sums))
    for script in ("postinst", "prerm", "postrm"):
        _copy(HERE / script, control / script, 0o755)
    for path in [*control.iterdir(), control]:
        if path.name not in {"postinst", "prerm", "postrm", "DEBIAN"}:
            path.chmod(0o644)
        os.utime(path, (epoch, epoch))


if __name__ == "__main__":
    main()
