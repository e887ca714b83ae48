"""Takes out of texts what must not leave this machine: secrets, addresses, names of this machine, mailboxes.

Addresses are replaced by numbers that are the same throughout one `Scrubber`, so that it still can be seen which lines speak of
the same machine. The rule is to take out too much rather than too little.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

REMOVED = "[removed]"
# Places that say nothing about a network: all addresses, this machine itself.
_NOWHERE = {"0.0.0.0", "127.0.0.1", "::", "::1"}  # noqa: S104 - texts, not places to listen

_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
_TOKEN = re.compile(r"\bca1\.[A-Za-z0-9._~+/=-]*")
_ARMOURED = re.compile(r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
_TELLING = r"(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|credential|authorization|cookie)"
_TELLING_NAME = re.compile(f"(?i){_TELLING}")
_NAMED = re.compile(
    rf"(?i)([\"']?[a-z0-9_.-]*{_TELLING}[a-z0-9_.-]*[\"']?\s*[=:]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:Basic|Bearer)\s+\S+|\S+)"
)
_MAILBOX = re.compile(r"[^\s<>\"'@,;:()\[\]]+@[^\s<>\"'@,;:()\[\]]+")
# Long runs of what keys, digests and salts are written with.
_LONG = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{32,}={0,2}")
_HOME = re.compile(r"(/home/|/Users/)[^/\s\"']+")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3}(?![0-9A-Za-z:])")
_MAC = re.compile(r"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,}(?![0-9A-Fa-f:-])")


def _secret(key: object, value: object) -> bool:
    """Is a value called a secret by its key, and is there one?"""
    return isinstance(value, str) and bool(value) and bool(_TELLING_NAME.search(str(key)))


@dataclass(slots=True)
class Scrubber:
    """`secrets` are texts that are taken out wherever they stand; `keep` are addresses that may stay."""

    secrets: Iterable[str] = ()
    keep: frozenset[str] = frozenset()
    numbers: dict[str, int] = field(default_factory=dict)

    def clean(self, text: str) -> str:
        for secret in sorted({one for one in self.secrets if one}, key=len, reverse=True):
            text = text.replace(secret, REMOVED)
        text = _ARMOURED.sub(REMOVED, text)
        text = _TOKEN.sub(REMOVED, text)
        text = _LOGIN.sub(f"{REMOVED}@", text)
        text = _NAMED.sub(lambda found: f"{found[1]}{REMOVED}", text)
        text = _MAILBOX.sub(lambda found: found[0] if found[0].startswith(REMOVED) else "[mailbox]", text)
        text = _LONG.sub(REMOVED, text)
        text = _HOME.sub(r"\1[user]", text)
        text = _MAC.sub("[hardware address]", text)
        text = _IPV6.sub(self._address, text)
        return _IPV4.sub(self._address, text)

    def tree(self, value: object) -> object:
        """The same with every text in lists and tables, keys as well."""
        match value:
            case str():
                return self.clean(value)
            case dict():
                return {
                    self.clean(str(key)): REMOVED if _secret(key, one) else self.tree(one) for key, one in value.items()
                }
            case list() | tuple():
                return [self.tree(one) for one in value]
            case bool() | int() | float() | None:
                return value
        return self.clean(str(value))

    def _address(self, found: re.Match[str]) -> str:
        text = found[0]
        try:
            address = str(ip_address(text))
        except ValueError:
            # A time of day is no address; whatever else looks like one is not let through.
            return text if re.fullmatch(r"\d{1,2}:\d{2}:\d{2}", text) else "[address]"
        if address in _NOWHERE or address in self.keep:
            return text
        return f"[address {self.numbers.setdefault(address, len(self.numbers) + 1)}]"
