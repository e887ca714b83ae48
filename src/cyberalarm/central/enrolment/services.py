"""Provisioning and enrolling collectors, and telling who may speak. What people do to them later is in `acts`.

Invariants:
- a token's secret is shown once; only its hash is stored; it works once and for 14 days
- asking again with the same token and the same key gives the document again, for an answer that was lost on
  the way
- enrolling again goes on with the same chain, and with another key if it brings one
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.central.enrolment import collector_keys
from cyberalarm.central.enrolment.acts import end_membership, resume, revoke, stop
from cyberalarm.central.enrolment.errors import (
    CollectorRevokedError,
    CollectorUnknownError,
    MemberNotApprovedError,
    TokenExpiredError,
    TokenUnknownError,
    TokenUsedError,
)
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.core.errors import RefusedError
from cyberalarm.envelope.documents import Enrolment
from cyberalarm.envelope.errors import RequestRefused
from cyberalarm.envelope.rotation import MOST_SUCCESSIONS, Introduction
from cyberalarm.envelope.tokens import RegistrationToken, secret_hash
from cyberalarm.envelope.trust import NONCE

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.config import CentralConfig
    from cyberalarm.envelope.requests import EnrolmentRequest, SignedRequest
    from cyberalarm.envelope.rotation import KeyChange

__all__ = [
    "TOKEN_LIFETIME",
    "chain_of",
    "change_key",
    "configuration",
    "end_membership",
    "enrol",
    "introduction",
    "milliseconds",
    "provision",
    "renew_token",
    "resume",
    "revoke",
    "speaking_collector",
    "stop",
]

log = structlog.get_logger(__name__)

TOKEN_LIFETIME = timedelta(days=14)


def configuration() -> CentralConfig:
    """The running centre's configuration."""
    config: CentralConfig = settings.CONFIG
    return config


def provision(site: Site, name: str, by: User) -> tuple[Collector, RegistrationToken]:
    """Make a collector for a site, with a token to show once. Recorded in the audit as done by `by`.

    Raises MemberNotApprovedError.
    """
    if site.member.status != Member.Status.APPROVED:
        raise MemberNotApprovedError(
            "The member is not approved.", next_step="Approve the member before it gets a collector."
        )
    with transaction.atomic():
        collector = Collector.objects.create(site=site, name=name)
        Chain.objects.create(collector=collector)
        token = _new_token(collector)
        audit.record(by, Action.PROVISIONED, f"collector:{collector.reference}")
    log.info("collector.provisioned", collector=collector.reference)
    return collector, token


def renew_token(collector: Collector, by: User) -> RegistrationToken:
    """A fresh token for a collector; any earlier one stops working. Raises CollectorRevokedError.

    A collector that is already enrolled keeps working with its key until somebody enrols with the new token.
    """
    if collector.status == Collector.Status.REVOKED:
        raise CollectorRevokedError("The collector is revoked.", next_step="Provision a new one.")
    with transaction.atomic():
        token = _new_token(collector)
        audit.record(by, Action.TOKEN_RENEWED, f"collector:{collector.reference}")
    return token


def _new_token(collector: Collector) -> RegistrationToken:
    config = configuration()
    keys = centre_keys(config)
    token = RegistrationToken.new(config.url, keys.pin, collector.reference, keys.next_pin)
    collector.token_hash = token.secret_hash
    collector.token_expires = timezone.now() + TOKEN_LIFETIME
    collector.save(update_fields=["token_hash", "token_expires"])
    return token


def enrol(request: EnrolmentRequest) -> bytes:
    """Take a collector's key in exchange for its token; give the signed enrolment document.

    Raises TokenUnknownError, TokenExpiredError, TokenUsedError, CollectorRevokedError, RequestRefused.
    """
    request.verify_proof()
    try:
        with transaction.atomic():
            collector = _collector_of_token(request)
            # A used token keeps its hash and has no time to expire.
            if collector.token_expires is None:
                _refuse_another_key(collector, request)
            else:
                _accept(collector, request)
    except RefusedError as error:
        _warn_of(request.collector, error)
        raise
    return _document(collector)


def _warn_of(claimed: str, error: RefusedError) -> None:
    """Somebody asked to be a collector that we know, and may not: an old token, or one that was stolen."""
    if Collector.objects.filter(reference=claimed).exists():
        log.warning("collector.refused", collector=claimed, code=error.code, proven=False)


def _refuse_another_key(collector: Collector, request: EnrolmentRequest) -> None:
    if collector.public_key is None or bytes(collector.public_key) != request.public_key:
        raise TokenUsedError(
            "The registration token was used before.",
            next_step="Ask for a new token on the collector's page.",
        )


def _collector_of_token(request: EnrolmentRequest) -> Collector:
    collector = Collector.objects.select_for_update().filter(reference=request.collector).first()
    known = collector.token_hash if collector else ""
    if collector is None or not known or not hmac.compare_digest(known, secret_hash(request.secret)):
        raise TokenUnknownError(
            "The registration token is not known here.",
            next_step="Use the newest token of this collector, or ask for a new one.",
        )
    _refuse_revoked(collector)
    return collector


def _accept(collector: Collector, request: EnrolmentRequest) -> None:
    now = timezone.now()
    if collector.token_expires is not None and collector.token_expires < now:
        raise TokenExpiredError(
            "The registration token has expired.", next_step="Ask for a new token on the collector's page."
        )
    sequence, _ = chain_of(collector)
    collector_keys.took_up(collector, request.public_key, sequence + 1, now)
    collector.version, collector.platform = request.version, request.platform
    # The stop switch is the centre's: enrolling anew does not undo it.
    if collector.status != Collector.Status.STOPPED:
        collector.status = Collector.Status.ENROLLED
    collector.enrolled = collector.last_seen = now
    collector.token_expires = None
    collector.refused_code = collector.refused_at = collector.refused_since = collector.refused_proven = None
    collector.pack_release = collector.pack_refused = None
    collector.save()
    log.info("collector.enrolled", collector=collector.reference, version=request.version)


def _document(collector: Collector) -> bytes:
    config = configuration()
    keys = centre_keys(config)
    sequence, head = chain_of(collector)
    document = Enrolment(
        collector=collector.reference,
        centre=config.url,
        receipt_key=keys.receipts.public,
        analysis_keys=keys.analysis_public,
        next_sequence=sequence + 1,
        previous=head,
        issued=milliseconds(datetime.now(UTC)),
        release_keys=config.trusted_release_keys,
    )
    return document.sign(keys.receipts)


def change_key(signed: SignedRequest, path: str, change: KeyChange, raw: bytes) -> bytes:
    """Know a collector by another key from one of its envelopes on; gives the signed answer. `raw` is the body, which was signed.

    Raises RequestRefused, CollectorUnknownError, CollectorRevokedError, KeyChangeRefusedError.
    """
    if signed.collector != change.collector:
        raise RequestRefused("The request and the change name different collectors.", code="request-malformed")
    collector = speaking_collector(signed.collector)
    changed = collector_keys.change(collector, signed, path, change, raw)
    return changed.sign(centre_keys(configuration()).receipts)


def introduction(nonce: str) -> bytes:
    """Who this centre is by now, signed, for a collector that was away while keys changed. Raises RequestRefused."""
    if not NONCE.fullmatch(nonce):
        raise RequestRefused(
            "The question has no nonce.", next_step="See docs/collector-api.md.", code="request-malformed"
        )
    config = configuration()
    keys = centre_keys(config)
    return Introduction(config.url, keys.trust(nonce), keys.successions[-MOST_SUCCESSIONS:]).sign(keys.receipts)


def chain_of(collector: Collector) -> tuple[int, str]:
    """Sequence and digest of the collector's last stored envelope; 0 and zeros when there is none."""
    chain, _ = Chain.objects.get_or_create(collector=collector)
    return chain.sequence, chain.head


def speaking_collector(reference: str) -> Collector:
    """The enrolled collector of this reference, with site and member. It may be stopped.

    Raises CollectorUnknownError or CollectorRevokedError; the latter also when its member left.
    """
    collector = Collector.objects.select_related("site__member").filter(reference=reference).first()
    if collector is None or collector.public_key is None:
        raise CollectorUnknownError(
            "No enrolled collector has this reference.", next_step="Enrol the collector with its token."
        )
    _refuse_revoked(collector)
    return collector


def _refuse_revoked(collector: Collector) -> None:
    if collector.status == Collector.Status.REVOKED or collector.site.member.status != Member.Status.APPROVED:
        raise CollectorRevokedError(
            "The collector was revoked by the centre.", next_step="Ask your contact for a new collector."
        )


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970."""
    return int(at.timestamp() * 1000)
