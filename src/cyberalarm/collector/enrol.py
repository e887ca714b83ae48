"""Enrolling: one pasted line turns a fresh collector into a member's.

Enrolling again, with a new token, keeps the key and goes on with the chain where the centre has it. Bundles that wait are kept:
they are sent if they still fit, and are only ever moved aside when the person says so.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.collector import identity as identities
from cyberalarm.collector import journal, standing, updates
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.errors import CentreRefusedError, ChainBrokenError, NotEnrolledError
from cyberalarm.collector.files import only_one
from cyberalarm.collector.identity import Identity
from cyberalarm.collector.keyring import Keyring
from cyberalarm.collector.spool import Link, Spool, set_aside
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.envelope.requests import EnrolmentRequest
from cyberalarm.envelope.tokens import RegistrationToken

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig


def enrol(config: CollectorConfig, text: str, *, aside: bool = False) -> Identity:
    """Exchange a registration token for an identity, which is saved in the data folder.

    `aside`: move what waits in the spool to a folder beside it, and begin after what the centre has. Raises TokenMalformed,
    CentreUnreachableError, CentreRefusedError (`token-unknown`, `token-expired`, `token-used`, …), ChainBrokenError when bundles
    wait that the centre could not take, SpoolDamagedError, BusyFolderError. After each of these the same command may be repeated.
    """
    token = RegistrationToken.from_text(text)
    with only_one(config.data):
        key = identities.make_signing_key(config.data)
        request = EnrolmentRequest.new(token, key, __version__, f"{platform.system()} {platform.machine()}")
        next_pins = (token.next_pin,) if token.next_pin else ()
        answer = Centre(token.centre, token.pin, config.proxy, next_pins).enrol(request.to_bytes())
        document = Enrolment.read(answer)
        if document.collector != token.collector:
            raise CentreRefusedError("enrolment-other", "The centre's answer is for another collector.")
        identity = Identity(
            collector=document.collector,
            centre=token.centre,
            pin=token.pin,
            receipt_key=VerifyKey(document.receipt_key),
            analysis_key=document.analysis_keys[0],
            release_keys=document.release_keys,
            next_pins=next_pins,
        )
        folder = config.data / "spool"
        if aside:
            set_aside(folder)
            set_aside(config.data / journal.FOLDER)
        spool = Spool(folder, config.spool_bytes)
        before = spool.head
        _go_on_after(
            spool,
            Link(document.next_sequence - 1, document.previous),
            other=_was_other(config.data, document.collector),
        )
        if spool.head != before:
            set_aside(config.data / journal.FOLDER)  # its sequences are the other chain's
        if not spool.waiting:
            Keyring(config.data).drop()  # a change of the key that no bundle was signed by begins anew
        standing.forget(config.data)
        if _has_new_authority(config, identity):
            updates.forget(config.data)
        identity.save(config.data)
    return identity


def _has_new_authority(config: CollectorConfig, identity: Identity) -> bool:
    """Is none of the release keys that were trusted before among those of now? Then the numbers of releases begin anew."""
    try:
        before = identities.load(config.data)
    except (NotEnrolledError, ConfigurationError):
        return True
    return not set(updates.trusted_keys(config, before)) & set(updates.trusted_keys(config, identity))


def _was_other(folder: Path, reference: str) -> bool:
    """Did this folder belong to another collector?"""
    try:
        return identities.load(folder).collector != reference
    except (NotEnrolledError, ConfigurationError):
        return False


def _go_on_after(spool: Spool, link: Link, *, other: bool) -> None:
    if not other and spool.continues(link):
        return
    if spool.waiting:
        whose = "are another collector's" if other else "do not follow what the centre has"
        raise ChainBrokenError(
            f"{spool.waiting} bundles wait in the spool, but they {whose}, so it cannot take them.",
            next_step="Run the same command again with --set-aside: they are kept in a folder of their own, and not sent.",
        )
    spool.begin_after(link)
