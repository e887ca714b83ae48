"""The packs that come with the program, ready for use in a moment.

Reading and checking all packs takes seconds, so the checked packs are kept in the kernel's own form beside their files, as
Python keeps its compiled modules, and made again whenever a pack or the kernel changed. A service, which may not write beside
its code, names a folder of its own in addition. `bundled().packs` still reads the files; who only decodes needs
`bundled().kernel`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm import _kernel
from cyberalarm._kernel import Packs

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.formats.pack import Pack

ROOT = Path(__file__).with_name("packs")


class Library:
    """Packs in order of preference, and the kernel that knows them. `release` numbers the pack release; 0: the bundled packs."""

    release = 0

    def __init__(self, kernel: Packs, packs: Callable[[], tuple[Pack, ...]]) -> None:
        self.kernel = kernel
        self._read = packs

    @cached_property
    def packs(self) -> tuple[Pack, ...]:
        return self._read()

    def pack(self, name: str) -> Pack:
        """The pack of that name. Raises PackError."""
        from cyberalarm.formats.loader import PackError

        for pack in self.packs:
            if pack.name == name:
                return pack
        known = ", ".join(p.name for p in self.packs)
        raise PackError(f"There is no pack {name!r}.", next_step=f"Known packs: {known}.")


_ready: list[Library] = []


def bundled(spare: Path | None = None) -> Library:
    """The packs that come with the program, the same for the whole process.

    `spare` is a folder for their compiled form where none can be kept beside their files; it counts when they are first asked for.
    """
    if not _ready:
        _ready.append(Library(_kernel_of_bundled(spare), _read_bundled))
    return _ready[0]


def bundled_files() -> list[Path]:
    """All bundled pack files, `packs/<vendor>/<product>.toml`, in the order of their names."""
    return [ROOT / name for name, _, _ in _listing()]


def compile_bundled(folder: Path | None = None) -> Path:
    """Make the kernel's form of the bundled packs and keep it, beside them or in a folder; its file.

    Raises PackError, and OSError where it cannot be kept.
    """
    from cyberalarm.formats.loader import kernel_text

    target = _kept(folder)
    target.parent.mkdir(mode=0o755 if folder is None else 0o700, exist_ok=True)
    for old in target.parent.glob("packs-*.bin"):
        old.unlink(missing_ok=True)
    made = target.with_suffix(f".{os.getpid()}")
    made.write_bytes(Packs.pack(kernel_text(_read_bundled())))
    made.replace(target)
    return target


def _read_bundled() -> tuple[Pack, ...]:
    from cyberalarm.formats.loader import read_pack

    return tuple(read_pack(file, alone=False) for file in bundled_files())


def _kernel_of_bundled(spare: Path | None) -> Packs:
    folders = (None, spare) if spare else (None,)
    for folder in folders:
        with suppress(OSError, ValueError):
            return Packs.unpack(_kept(folder).read_bytes())
    for folder in folders:
        with suppress(OSError, ValueError):
            made = _compiled_apart(folder) if spare else compile_bundled(folder)
            return Packs.unpack(made.read_bytes())
    from cyberalarm.formats.loader import build

    return build(_read_bundled()).kernel


_APART = "import sys, pathlib; from cyberalarm.formats.library import compile_bundled as c; c(*map(pathlib.Path, sys.argv[1:]))"
_PATIENCE = 120.0  # seconds; the packs of today take two


def _compiled_apart(folder: Path | None) -> Path:
    """`compile_bundled` in a process of its own: a service would never give back the 60 MB that it takes. Raises OSError."""
    target = _kept(folder)
    home = next(one for one in (target.parent, *target.parents) if one.exists())
    if not os.access(home, os.W_OK):
        raise PermissionError(f"{home} cannot be written")
    command = [sys.executable, "-P", "-c", _APART, *([str(folder)] if folder else [])]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=True)
    except subprocess.SubprocessError as error:
        raise OSError("the packs could not be compiled in a process of their own") from error
    return target


def _listing() -> list[tuple[str, int, int]]:
    """Name below the root, size and time of change of every pack file, sorted by name."""
    found = []
    with os.scandir(ROOT) as vendors:
        for vendor in vendors:
            if vendor.name.startswith("_") or not vendor.is_dir():
                continue
            with os.scandir(vendor.path) as entries:
                for entry in entries:
                    if entry.name.endswith(".toml"):
                        state = entry.stat()
                        found.append((f"{vendor.name}/{entry.name}", state.st_size, state.st_mtime_ns))
    return sorted(found)


def edition() -> str:
    """A name for just these bundled files and this kernel: what was compiled under another one must be made again."""
    kernel = Path(_kernel.__file__ or "").stat()
    state = repr((kernel.st_size, kernel.st_mtime_ns, _listing()))
    return blake2b(state.encode(), digest_size=16).hexdigest()


def _kept(folder: Path | None = None) -> Path:
    """Where the compiled packs of this edition are, or will be: beside their files, or in a folder."""
    return (folder or ROOT / "__pycache__") / f"packs-{edition()}.bin"
