"""Checking and compiling a pack release in a process of its own.

Reading all packs and decoding all their examples takes seconds and tens of megabytes, which the collector must not spend
while lines arrive; and whatever is wrong with a release, it can at worst end that process. The process reads the release,
verifies it again, and writes the kernel's form of all packs together; or it says on stdout why not. It asks for no lower
priority: the service's unit forbids the system calls for that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm.core.errors import RefusedError
from cyberalarm.envelope import releases
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.formats.delivery import DeliveryRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 120.0  # seconds; the packs of today take less than five
_PROGRAM = "from cyberalarm.collector.preparing import main; main()"
_REFUSED = 3


def prepare(release: Path, compiled: Path, trusted: Sequence[VerifyKey], patience: float = PATIENCE) -> list[str]:
    """Check the release in a file and write its packs, with the bundled ones, as the kernel loads them.

    Gives the delivered packs that are used, with their versions. Raises DeliveryRefused with the code of what is wrong.
    """
    command = [sys.executable, "-P", "-c", _PROGRAM, str(release), str(compiled), *(key.to_text() for key in trusted)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired as error:
        raise _failed(f"it took longer than {patience:.0f} seconds") from error
    except OSError as error:
        raise _failed(f"no process could be started: {error.strerror}") from error
    if done.returncode == _REFUSED:
        said = json.loads(done.stdout)
        raise DeliveryRefused(said["what"], next_step=said["next_step"], code=said["code"])
    if done.returncode != 0:
        raise _failed(f"the check ended with {done.returncode}")
    used: list[str] = json.loads(done.stdout)
    return used


def _failed(why: str) -> DeliveryRefused:
    return DeliveryRefused(
        f"The packs could not be checked: {why}.",
        next_step="It is tried again within the hour.",
        code="release-unchecked",
    )


def main() -> None:
    """The process: RELEASE COMPILED KEY…"""
    from cyberalarm._kernel import Packs
    from cyberalarm.formats.delivery import joined, newer
    from cyberalarm.formats.loader import kernel_text

    source, target, *keys = sys.argv[1:]
    try:
        release = releases.read(Path(source).read_bytes(), [VerifyKey.from_text(key) for key in keys])
        made = Packs.pack(kernel_text(joined(release.packs)))
    except RefusedError as error:
        sys.stdout.write(json.dumps({"code": error.code, "what": error.what, "next_step": error.next_step}))
        sys.exit(_REFUSED)
    Path(target).write_bytes(made)
    sys.stdout.write(json.dumps(newer(release.packs)))
