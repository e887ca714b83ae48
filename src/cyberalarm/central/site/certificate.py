"""Until when the centre's TLS certificate is valid, and whether its key fits, as TLS itself sees it.

The certificate is used in a handshake that never leaves this process, so an operator's own certificate is read by the same
library that serves it.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cyberalarm.envelope.certificate import CertificatePaths

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which Python gives no name: an expired certificate has a date, too.
_NO_CHECK_TIME = 0x200000
# Each side answers the other a few times; a handshake that is not done by then never will be.
_MOST_ROUNDS = 10


def valid_until(paths: CertificatePaths) -> datetime:
    """The end of the certificate's validity. Raises ConfigurationError when TLS cannot be served with these files."""
    try:
        return _read(paths)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"The TLS certificate cannot be used: {getattr(error, 'reason', None) or type(error).__name__}.",
            next_step="Put a certificate and the key that fits it into the centre's keys folder (docs/operating.md).",
        ) from error


def _read(paths: CertificatePaths) -> datetime:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(paths.certificate, paths.key)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.load_verify_locations(paths.certificate)
    # The file itself is what is trusted, whoever issued it; and that it has expired is for us to say.
    asking.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_MOST_ROUNDS):
        if all([_goes_on(client), _goes_on(server)]):
            found = client.getpeercert() or {}
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    raise ValueError("the handshake does not end")


def _goes_on(side: ssl.SSLObject) -> bool:
    """One step of a side's handshake; True once it is done."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
