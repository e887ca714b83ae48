"""By which key a collector is known, for each envelope of its chain.

Invariants
- A key counts from one envelope on; the newest key alone speaks for the collector in everything else.
- An envelope of before the newest key, that comes after it was taken up, needs the newest key's voucher as well: the older key
  alone is worth nothing any more.
- No row is ever removed, so what is kept can be verified for ever.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.central.enrolment.errors import KeyChangeRefusedError
from cyberalarm.central.enrolment.models import Chain, CollectorKey
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import sealing
from cyberalarm.envelope.errors import EnvelopeSignature, RequestRefused, SignatureRefused
from cyberalarm.envelope.keys import VerifyKey
from cyberalarm.envelope.rotation import KeyChanged, check_voucher

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.envelope.requests import SignedRequest
    from cyberalarm.envelope.rotation import KeyChange
    from cyberalarm.envelope.sealing import Header

log = structlog.get_logger(__name__)

MOST_CHANGES = 6  # in `_WITHIN`; each leaves a row for good
_WITHIN = timedelta(days=1)


def current_key(collector: Collector) -> VerifyKey:
    """The key that speaks for an enrolled collector now."""
    return VerifyKey(bytes(collector.public_key or b""))


def verify_envelope(collector: Collector, envelope: bytes, voucher: str) -> Header:
    """The header, once the envelope is proven to be this collector's. Raises an EnvelopeRefused."""
    sequence = sealing.read_header(envelope).sequence
    row = CollectorKey.objects.filter(collector=collector, first__lte=sequence).order_by("-pk").first()
    key, current = VerifyKey(bytes(row.public_key)) if row else current_key(collector), current_key(collector)
    header = sealing.verify(envelope, key)
    if key != current:
        try:
            check_voucher(voucher, sealing.digest(envelope), current)
        except SignatureRefused as error:
            raise EnvelopeSignature(
                "The envelope was signed by a key that this collector has replaced, and its new key does not vouch for it.",
                next_step="Send it with a voucher; if it is refused again, enrol the collector anew.",
            ) from error
    return header


def took_up(collector: Collector, public_key: bytes, first: int, at: datetime) -> None:
    """Note a key from an envelope on, unless it is the one that counts already. `collector` is to be saved by the caller."""
    if collector.public_key is not None and bytes(collector.public_key) == public_key:
        return
    if collector.public_key is not None and not collector.keys.exists():
        CollectorKey.objects.create(
            collector=collector,
            public_key=bytes(collector.public_key),
            first=1,
            taken_up=collector.key_since or collector.enrolled or at,
        )
    CollectorKey.objects.create(collector=collector, public_key=public_key, first=first, taken_up=at)
    collector.public_key, collector.key_since = public_key, at


def change(speaker: Collector, signed: SignedRequest, path: str, change: KeyChange, raw: bytes) -> KeyChanged:
    """Know the collector by another key. The same change again gives the same answer, for one that was lost on the way.

    Raises RequestRefused, KeyChangeRefusedError.
    """
    now = timezone.now()
    change.verify_proof()
    with transaction.atomic():
        collector = Collector.objects.select_for_update().get(pk=speaker.pk)
        made = CollectorKey.objects.filter(collector=collector, first=change.first, public_key=change.public_key).last()
        again = made is not None and bytes(collector.public_key or b"") == change.public_key
        signers = _earlier_keys(collector) if again else [current_key(collector)]
        _verify_by_any(signed, signers, path, raw, now)
        if not again:
            _refuse_wrong(collector, change, now)
            took_up(collector, change.public_key, change.first, now)
            collector.save(update_fields=["public_key", "key_since"])
            audit.record(
                None,
                Action.COLLECTOR_KEY_CHANGED,
                f"collector:{collector.reference}",
                f"From its bundle {change.first} on.",
                collector=collector.reference,
            )
            log.info("collector.key_changed", collector=collector.reference)
    at = made.taken_up if made is not None and again else now
    return KeyChanged(collector.reference, change.public_key, change.first, int(at.timestamp() * 1000))


def _earlier_keys(collector: Collector) -> list[VerifyKey]:
    """A change is signed by the key before it. It is made already, and says nothing new, whichever of them asks."""
    return [VerifyKey(bytes(row.public_key)) for row in CollectorKey.objects.filter(collector=collector)]


def _verify_by_any(signed: SignedRequest, keys: list[VerifyKey], path: str, raw: bytes, now: datetime) -> None:
    """Raises RequestRefused unless one of the keys signed the request."""
    milliseconds = int(now.timestamp() * 1000)
    *others, last = keys
    for key in others:
        try:
            signed.verify(key, "POST", path, raw, milliseconds)
        except RequestRefused:
            continue
        return
    signed.verify(last, "POST", path, raw, milliseconds)


def _refuse_wrong(collector: Collector, change: KeyChange, now: datetime) -> None:
    if any(key.raw == change.public_key for key in (*_earlier_keys(collector), current_key(collector))):
        raise KeyChangeRefusedError("This key was used before.", next_step="Make a new one.")
    chain = Chain.objects.filter(collector=collector).first()
    if change.first <= (chain.sequence if chain else 0):
        raise KeyChangeRefusedError(
            "The change would begin before an envelope that is stored.", next_step="Begin it after the newest one."
        )
    if CollectorKey.objects.filter(collector=collector, taken_up__gt=now - _WITHIN).count() >= MOST_CHANGES:
        raise CyberAlarmError(
            "The collector's key was changed too often.", next_step="Try again tomorrow.", code="busy"
        )
