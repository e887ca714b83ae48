"""The fence that the systemd unit puts round the collector, built as far as can be without systemd: by namespaces, setpriv and
seccomp.

    unshare --mount python fence.py PLAN COMMAND…

PLAN is a JSON file that a test wrote from the unit (`plan_of`). In a mount namespace of its own everything is made read-only
but the data folder, in which nothing can be run; then the process becomes an unprivileged user without any right but the
unit's, loads the unit's filter of system calls and address families, gives up memory that is written and run, and becomes the
command.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

USER = 65534
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # seccomp.h: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)
_EQUAL = 4  # SCMP_CMP_EQ
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1  # linux/prctl.h


class _Compare(ctypes.Structure):
    """seccomp.h: struct scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def directives(unit: Path) -> dict[str, list[str]]:
    """Everything that the unit sets, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def plan_of(unit: Path, data: Path, hidden: list[Path], visible: list[Path]) -> dict[str, object]:
    """What the fence needs to know. `hidden` are folders to be seen as empty, `visible` those that the command must read."""
    told = directives(unit)
    return {
        "data": str(data),
        "hidden": [str(path) for path in hidden],
        "visible": [str(path) for path in visible],
        "rights": [right.lower().removeprefix("cap_") for right in told["AmbientCapabilities"][0].split()],
        "families": told["RestrictAddressFamilies"][0].split(),
        "calls": sorted(_calls(told["SystemCallFilter"])),
    }


def _calls(filters: list[str]) -> set[str]:
    """The system calls that are allowed: a list, then what is taken from it and added to it (systemd.exec(5))."""
    sets = _sets()
    allowed = _expanded("@default", sets)
    for text in filters:
        named = {call for word in text.removeprefix("~").split() for call in _expanded(word, sets)}
        allowed = allowed - named if text.startswith("~") else allowed | named
    return allowed


def _sets() -> dict[str, list[str]]:
    said = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        word = line.strip()
        if line.startswith("@"):
            members = found.setdefault(word, [])
        elif found and word and not word.startswith("#"):
            members.append(word)
    return found


def _expanded(word: str, sets: dict[str, list[str]]) -> set[str]:
    if not word.startswith("@"):
        return {word}
    return {call for member in sets[word] for call in _expanded(member, sets)}


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, stdin=subprocess.DEVNULL)


def _make_visible(paths: list[Path], stage: Path) -> None:
    """Let anybody reach these folders, though one above them is its owner's only, as /root is."""
    closed: dict[Path, list[Path]] = {}
    for path in paths:
        above = next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)
        if above is not None and not any(path.is_relative_to(other) for other in closed.get(above, [])):
            closed.setdefault(above, []).append(path)
    _mount("-t", "tmpfs", "-o", "mode=755", "stage", str(stage))
    for above, below in closed.items():
        for number, path in enumerate(below):
            (stage / str(number)).mkdir()
            _mount("--bind", str(path), str(stage / str(number)))
        _mount("-t", "tmpfs", "-o", "mode=755", "fence", str(above))
        for number, path in enumerate(below):
            path.mkdir(parents=True)
            _mount("--bind", str(stage / str(number)), str(path))


def _wall(plan: dict[str, list[str]], stage: Path) -> None:
    _make_visible([Path(path) for path in plan["visible"]], stage)
    for path in plan["hidden"]:
        _mount("-t", "tmpfs", "-o", "mode=755", "hidden", path)
    data = str(plan["data"])
    _mount("--bind", data, data)
    points = [row.split()[4] for row in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    for point in points:
        if point != data and not point.startswith(("/proc/", "/sys/")):
            subprocess.run(["mount", "-o", "remount,bind,ro", point], check=point == "/", capture_output=True)
    _mount("-o", "remount,bind,nosuid,nodev,noexec", data)


def _filter(calls: list[str], families: list[str]) -> None:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Compare)
    )  # fmt: skip
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    context = library.seccomp_init(_REFUSE)
    for call in calls:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number < 0 or call == "socket":
            continue
        library.seccomp_rule_add_array(context, _ALLOW, number, 0, None)
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        compare = _Compare(0, _EQUAL, getattr(socket, family), 0)
        library.seccomp_rule_add_array(context, _ALLOW, number, 1, ctypes.byref(compare))
    if library.seccomp_load(context) != 0:
        raise OSError("the filter could not be loaded")


def main() -> None:
    plan_file, *command = sys.argv[1:]
    if plan_file == "--inside":
        plan = json.loads(sys.stdin.readline())
        if ctypes.CDLL(None).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
            sys.stderr.write("fence: memory may be written and run here, the kernel is too old to forbid it\n")
        _filter(plan["calls"], plan["families"])
        os.execv(command[0], command)
    plan = json.loads(Path(plan_file).read_text())
    _wall(plan, Path(plan_file).parent / "stage")
    reading, writing = os.pipe()
    os.write(writing, json.dumps({"calls": plan["calls"], "families": plan["families"]}).encode() + b"\n")
    os.close(writing)
    os.dup2(reading, 0)
    only = ",".join(["-all", *(f"+{right}" for right in plan["rights"])])
    rights = [f"--{kind}={only}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    became = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", *rights]
    os.execvp("setpriv", [*became, sys.executable, __file__, "--inside", *command])


if __name__ == "__main__":
    main()
