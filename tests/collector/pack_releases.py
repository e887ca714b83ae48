"""Pack releases for tests: a made-up product that no bundled pack knows, and releases around it, good and bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.envelope import releases
from cyberalarm.envelope.releases import PackFile, Release
from tests.formats.made_up import DOOR

if TYPE_CHECKING:
    from cyberalarm.envelope.keys import SigningKey

NAME = "example-turnstile"
PACK = (
    DOOR.replace("example-door", NAME)
    .replace("Door", "Turnstile")
    .replace('"door"', '"turn"')
    .replace("door ", "turnstile9 ")
)
# Right in form, but its example says something else than what comes of it.
FAULTY = PACK.replace('action = "blocked"', 'action = "allowed"')


def turnstile(number: int) -> bytes:
    """A line that only the delivered pack knows, from a source that the sieve keeps."""
    return f"<134>Mar  9 12:00:00 house turnstile9 shut from 198.51.100.{number % 250 + 1} to 203.0.113.7".encode()


def release(
    key: SigningKey, number: int = 1, text: str = PACK, *, version: int = 1, program: str = __version__
) -> bytes:
    """A signed release of one pack."""
    content = text.replace("version = 1", f"version = {version}").encode()
    return releases.sign(Release(number, 1_767_225_600_000, program, (PackFile(NAME, version, content),)), key)
