"""Sample lines without anybody's addresses: each is replaced by one kept for documentation (RFC 5737, RFC 3849)."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

PUBLIC = ("198.51.100.", "203.0.113.")
PRIVATE = "192.168.10."
# The last byte of an address; when all are used the next begins again, so that a file of many sources still works.
MOST = 254

_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)")
_IPV6 = re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]+:){7})[0-9a-fA-F:]{3,39}(?![\w:])")


class Documentary:
    """Remembers which address became which, so that two lines that speak of one host still do."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def line(self, text: str) -> str:
        return _IPV6.sub(self._replaced, _IPV4.sub(self._replaced, text))

    def _replaced(self, found: re.Match[str]) -> str:
        text = found[0]
        if text not in self._known:
            try:
                address = ip_address(text)
            except ValueError:
                return text
            number = len(self._known)
            last = number % MOST + 1
            if isinstance(address, IPv6Address):
                self._known[text] = f"2001:db8::{number + 1:x}"
            elif address.is_private and not address.is_loopback:
                self._known[text] = f"{PRIVATE}{last}"
            else:
                self._known[text] = f"{PUBLIC[number // MOST % 2]}{last}"
        return self._known[text]
