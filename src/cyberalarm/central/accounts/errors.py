"""What can go wrong with people."""

from __future__ import annotations

from cyberalarm.core.errors import RefusedError


class NobodySignedInError(RefusedError):
    """A scope was asked for somebody who is not signed in."""

    code = "nobody-signed-in"


class AddressTakenError(RefusedError):
    """Somebody with this email address is there already."""

    code = "address-taken"
