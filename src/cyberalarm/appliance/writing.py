"""The texts that answers become: lines of the collector's configuration, and the network's file. No I/O.

Only the lines of two keys are changed, so that what somebody else wrote into the configuration stays, comments too. What comes out
is read again and compared, so that a file written in another way is refused rather than broken.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

from cyberalarm.appliance.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.appliance.answers import FixedAddress

_SECTION = re.compile(r"^\s*\[", re.MULTILINE)
_PROXY = re.compile(r"^#?[ \t]*proxy[ \t]*=.*$", re.MULTILINE)
_OWN = re.compile(r"^#?[ \t]*own[ \t]*=.*$", re.MULTILINE)
_NETWORKS = re.compile(r"^\[networks\][ \t]*$", re.MULTILINE)


def with_proxy(text: str, proxy: str) -> str:
    """The configuration with this proxy; empty: none. Raises SetupError."""
    line = f"proxy = {json.dumps(proxy)}"
    first = _SECTION.search(text)
    end = first.start() if first else len(text)
    head, tail = text[:end], text[end:]
    if _PROXY.search(head):
        head = _PROXY.sub(lambda _: line, head, count=1)
    else:
        head = f"{head}{'' if head.endswith(chr(10)) or not head else chr(10)}{line}\n\n"
    return _checked(head + tail, ("proxy",), proxy)


def with_own_networks(text: str, own: Sequence[str]) -> str:
    """The configuration with these public networks of the member's. Raises SetupError."""
    line = f"own = {json.dumps(list(own))}"
    begin = _NETWORKS.search(text)
    if begin is None:
        return _checked(
            f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}\n[networks]\n{line}\n",
            ("networks", "own"),
            list(own),
        )
    after = _SECTION.search(text, begin.end())
    end = after.start() if after else len(text)
    body = text[begin.end() : end]
    body = _OWN.sub(lambda _: line, body, count=1) if _OWN.search(body) else f"\n{line}{body}"
    return _checked(text[: begin.end()] + body + text[end:], ("networks", "own"), list(own))


def _checked(text: str, key: tuple[str, ...], wanted: object) -> str:
    """The text, once it says what it should."""
    try:
        found: object = tomllib.loads(text)
        for part in key:
            found = found[part] if isinstance(found, dict) else None
    except (tomllib.TOMLDecodeError, KeyError):
        found = None
    if found != wanted:
        raise SetupError(
            f"The configuration is written in a way that this console cannot change ({'.'.join(key)}).",
            next_step="Change /etc/cyberalarm/collector.toml at the command line.",
        )
    return text


def network_file(fixed: FixedAddress) -> str:
    """systemd-networkd's file for a fixed address (systemd.network(5)); it comes before the one that asks the network."""
    servers = "".join(f"DNS={server}\n" for server in fixed.dns)
    return (
        "# Written by the console of this appliance.\n"
        "[Match]\nType=ether\nKind=!*\n\n"
        f"[Network]\nAddress={fixed.address}\nGateway={fixed.gateway}\n{servers}"
        "LLMNR=no\nMulticastDNS=no\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n"
    )
