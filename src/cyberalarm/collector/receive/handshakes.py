"""Why handshakes fail, in words for a person, and what to do about each. Loads nothing of TLS itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """Why a device could not connect."""

    PLAIN = "plain syslog was sent to the TLS port"
    VERSION = "the device offers no TLS version that is allowed here (1.2 and newer)"
    CIPHER = "the device and this collector have no cipher in common"
    DISTRUSTED = "the device does not trust this collector's certificate"
    EXPIRED_HERE = "the device says that this collector's certificate has expired"
    NO_CERTIFICATE = "the device showed no certificate"
    EXPIRED = "the device's certificate has expired"
    UNKNOWN_AUTHORITY = "the device's certificate is from an authority that is not known here"
    REFUSED = "the device's certificate cannot be used"
    SLOW = "the device did not finish the handshake in time"
    BROKEN_OFF = "the connection ended in the middle of the handshake"
    OTHER = "the handshake failed"


# What to do about each; doctor says it.
ADVICE = {
    Failure.PLAIN: "Switch the device to TLS, or let it send to a TCP port.",
    Failure.VERSION: "Update the device, or let it send over TCP on a network of your own.",
    Failure.CIPHER: "Update the device, or let it send over TCP on a network of your own.",
    Failure.DISTRUSTED: "Give the device this collector's certificate; `cyberalarm collector certificate` tells where it is.",
    Failure.EXPIRED_HERE: "Make a new one with `cyberalarm collector certificate --new`, and give it to the devices.",
    Failure.NO_CERTIFICATE: "Give the device a certificate from one of the authorities in tls.client_authorities.",
    Failure.EXPIRED: "Give the device a new certificate; check that its clock is right.",
    Failure.UNKNOWN_AUTHORITY: "Add the authority's certificate to the file in tls.client_authorities, if you trust it.",
    Failure.REFUSED: "Give the device another certificate, meant for TLS clients.",
    Failure.SLOW: "Check the network between the device and this collector.",
    Failure.BROKEN_OFF: "The device's own log may say why.",
    Failure.OTHER: "The device's own log may say why.",
}


@dataclass(frozen=True, slots=True)
class Failed:
    """How often, and from where and when (seconds since 1970) the last time."""

    times: int
    source: str
    last: float
