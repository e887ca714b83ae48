"""One writer per product: turns what happened into the line that the product would send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cyberalarm.lab.randomness import stream
from cyberalarm.lab.scenario import Device, Vendor
from cyberalarm.lab.vendors.asa import Asa
from cyberalarm.lab.vendors.clamav import Clamav
from cyberalarm.lab.vendors.fortigate import Fortigate
from cyberalarm.lab.vendors.netfilter import Netfilter
from cyberalarm.lab.vendors.pfsense import Pfsense
from cyberalarm.lab.vendors.rspamd import Rspamd
from cyberalarm.lab.vendors.spamassassin import Spamassassin
from cyberalarm.lab.vendors.suricata import Suricata

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cyberalarm.lab.traffic import Event


class Writer(Protocol):
    """Writes one device's lines.

    Keeps what the product keeps between lines (counters, boot time, session numbers).
    """

    def write(self, at: int, event: Event) -> str:
        """The whole line with its syslog header, without a newline.

        Raises TypeError for an event it cannot log.
        """
        ...


WRITERS: dict[Vendor, Callable[[Device, Random], Writer]] = {
    Vendor.FORTIGATE: Fortigate,
    Vendor.ASA: Asa,
    Vendor.NETFILTER: Netfilter,
    Vendor.PFSENSE: Pfsense,
    Vendor.SURICATA: Suricata,
    Vendor.CLAMAV: Clamav,
    Vendor.SPAMASSASSIN: Spamassassin,
    Vendor.RSPAMD: Rspamd,
}


def writer(device: Device, seed: str) -> Writer:
    """The writer of a device, drawing small details (identifiers, sizes) from its own stream."""
    return WRITERS[device.vendor](device, stream(seed, "writer", device.name))
