"""Pack releases for tests: a made-up product that no bundled pack knows, and releases around it, good and bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.envelope import releases
from cyberalarm.envelope.releases import PackFile, Release

if TYPE_CHECKING:
    from cyberalarm.envelope.keys import SigningKey

NAME = "example-turnstile"
PACK = """
name = "example-turnstile"
vendor = "Example"
product = "Turnstile"
version = 1
sensor = "firewall"
summary = "A made-up turnstile."
transports = ["udp"]
setup = "Nothing to set up."

[maps.action]
shut = "blocked"
open = "allowed"

[[line]]
name = "turn"
syntax = "template"
begins = ["turnstile9 "]
templates = ["turnstile9 {verdict:word} from {src:ip}[ to {dst:ip}]"]

[[line.kind]]
name = "any"
[line.kind.fields]
action = { from = "verdict", map = "action", default = "unknown" }
src_ip = "src"
dst_ip = "dst"

[[example]]
line = '''<134>Nov 18 09:00:00 house turnstile9 shut from 192.0.2.1'''
outcome = "kept"
event = { time = "2026-11-18T09:00:00.000Z", sensor = "firewall", action = "blocked", src_ip = "192.0.2.1" }
"""
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
