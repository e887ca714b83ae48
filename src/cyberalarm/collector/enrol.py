"""Enrolling: one pasted line turns a fresh collector into a member's."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.errors import CentreRefusedError
from cyberalarm.collector.files import only_one
from cyberalarm.collector.identity import Identity, signing_key
from cyberalarm.collector.spool import Link, Spool
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.envelope.requests import EnrolmentRequest
from cyberalarm.envelope.tokens import RegistrationToken

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig


def enrol(config: CollectorConfig, text: str) -> Identity:
    """Exchange a registration token for an identity, which is saved in the data folder.

    Raises TokenMalformed, CentreUnreachableError, CentreRefusedError (`token-unknown`, `token-expired`, `token-used`, …),
    BusyFolderError.
    """
    token = RegistrationToken.from_text(text)
    with only_one(config.data):
        key = signing_key(config.data)
        request = EnrolmentRequest.new(token, key, __version__, f"{platform.system()} {platform.machine()}")
        answer = Centre(token.centre, token.pin, config.proxy).enrol(request.to_bytes())
        document = Enrolment.read(answer)
        if document.collector != token.collector:
            raise CentreRefusedError("enrolment-other", "The centre's answer is for another collector.")
        identity = Identity(
            collector=document.collector,
            centre=token.centre,
            pin=token.pin,
            receipt_key=VerifyKey(document.receipt_key),
            analysis_key=document.analysis_keys[0],
        )
        spool = Spool(config.data / "spool", config.spool_bytes)
        spool.begin_after(Link(document.next_sequence - 1, document.previous))
        identity.save(config.data)
    return identity
