"""A disk that stops at any step, and one that forgets at a power cut what was not flushed.

`Disk` stands between the program and the operating system for files below one folder: it does what is asked, keeps a list of it,
and from the step `cut` on refuses everything, as if the process were killed there (nothing is tidied up by a process that is gone).
`after_power_cut` makes every folder that a disk may hold when the power fails after so many steps: contents that were not flushed
are there wholly, half or not at all, and names that were not flushed are there or not, each by itself and in any order. That is
less than file systems promise.
"""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Names = dict[str, int]


class Killed(BaseException):
    """The process is gone; nothing catches this."""


@dataclass
class Disk:
    """`steps` are tuples beginning with what was done; `said` puts a mark of the test's own among them."""

    root: Path
    cut: int | None = None
    steps: list[tuple[Any, ...]] = field(default_factory=list)

    def said(self, what: str, value: object) -> None:
        self.steps.append((what, value))

    def _step(self, *done: Any) -> None:
        if self.cut is not None and len(self.steps) >= self.cut:
            raise Killed
        self.steps.append(done)

    @contextmanager
    def watched(self) -> Iterator[Disk]:
        """Everything that this process does to files below the folder goes through here."""
        calls = _Calls(self.root, self._step)
        for name in _Calls.NAMES:
            setattr(os, name, getattr(calls, name))
        try:
            yield self
        finally:
            for name, function in calls.real.items():
                setattr(os, name, function)


class _Calls:
    """The calls of the operating system that matter here, under the names that `os` gives them."""

    NAMES = ("open", "fdopen", "fsync", "replace", "rename", "link", "unlink", "close")

    def __init__(self, root: Path, step: Callable[..., None]) -> None:
        self._root, self._step = root, step
        self._handles: dict[int, Path] = {}
        self.real = {name: getattr(os, name) for name in self.NAMES}

    def _ours(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(self._root)

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if self._ours(path) and flags & os.O_CREAT:
            self._step("create", Path(path).name)
        handle: int = self.real["open"](path, flags, mode, **more)
        if self._ours(path):
            self._handles[handle] = Path(path)
        return handle

    def fdopen(self, handle: int, *arguments: Any, **more: Any) -> Any:
        if handle in self._handles:
            return _Writer(handle, self._step, self._handles[handle])
        return self.real["fdopen"](handle, *arguments, **more)

    def fsync(self, handle: int) -> None:
        if handle in self._handles:
            path = self._handles[handle]
            self._step(*(("flush folder",) if path.is_dir() else ("flush", path.name)))

    def replace(self, source: Any, target: Any, **more: Any) -> None:
        if self._ours(source):
            self._step("rename", Path(source).name, Path(target).name)
        self.real["replace"](source, target, **more)

    rename = replace

    def link(self, source: Any, target: Any, **more: Any) -> None:
        if self._ours(target):
            self._step("link", Path(source).name, Path(target).name)
        self.real["link"](source, target, **more)

    def unlink(self, path: Any, **more: Any) -> None:
        if self._ours(path):
            Path(path).lstat()  # what is not there is not removed
            self._step("unlink", Path(path).name)
        self.real["unlink"](path, **more)

    def close(self, handle: int) -> None:
        self._handles.pop(handle, None)
        self.real["close"](handle)


class _Writer:
    """A file that is open for writing; half of what is written is a step of its own."""

    def __init__(self, handle: int, step: Callable[..., None], path: Path) -> None:
        self._handle, self._step, self._path = handle, step, path

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def write(self, content: bytes) -> int:
        half = len(content) // 2
        for piece in (content[:half], content[half:]):
            self._step("write", self._path.name, piece)
            os.write(self._handle, piece)
        return len(content)

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        return self._handle


def after_power_cut(steps: list[tuple[Any, ...]]) -> Iterator[dict[str, bytes]]:  # noqa: C901 - one case for each kind
    """The folders, as contents by name, that may be found when the power fails after these steps; each once."""
    written: dict[int, bytes] = {}
    flushed: dict[int, bytes] = {}
    seen: Names = {}
    durable: Names = {}
    pending: list[tuple[Any, ...]] = []
    numbers = itertools.count()
    for step in steps:
        match step:
            case ("create", name):
                seen[name] = next(numbers)
                written[seen[name]] = flushed[seen[name]] = b""
                pending.append(("link", name, seen[name]))
            case ("write", name, piece):
                written[seen[name]] += piece
            case ("flush", name):
                flushed[seen[name]] = written[seen[name]]
            case ("rename", source, target):
                seen[target] = seen.pop(source)
                pending += [("link", target, seen[target]), ("unlink", source)]
            case ("unlink", name):
                del seen[name]
                pending.append(("unlink", name))
            case ("flush folder",):
                durable, pending = dict(seen), []
    found: set[tuple[tuple[str, bytes], ...]] = set()
    for chosen in itertools.product((False, True), repeat=len(pending)):
        names = dict(durable)
        for (kind, name, *inode), happened in zip(pending, chosen, strict=True):
            if happened and kind == "link":
                names[name] = inode[0]
            elif happened:
                names.pop(name, None)
        for part in (0, 1, 2):
            folder = {name: _kept(written[at], flushed[at], part) for name, at in names.items()}
            found.add(tuple(sorted(folder.items())))
    yield from map(dict, found)


def _kept(written: bytes, flushed: bytes, part: int) -> bytes:
    """What is left of a file: what was flushed, and of the rest nothing, half (then zeros), or all."""
    rest = written.removeprefix(flushed)
    half = rest[: len(rest) // 2] + bytes(len(rest) - len(rest) // 2)
    return flushed + (b"", half, rest)[part]


def lay_out(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
