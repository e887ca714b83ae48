"""An organisation asks to join. Whether somebody is known here already cannot be told from the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from cyberalarm.central.accounts.models import Role
from cyberalarm.central.accounts.services import address_known, create_member_user, normal_address
from cyberalarm.central.members.models import Member

if TYPE_CHECKING:
    from django.http import HttpRequest

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SignUp:
    """What somebody filled in, checked by the form."""

    organisation: str
    kind: str
    force: str
    postcode: str
    website: str
    name: str
    email: str
    password: str


def sign_up(request: HttpRequest, asked: SignUp) -> None:
    """Make a waiting member with its owner and send the confirmation mail.

    For an address that is known already nothing is made: its owner gets a mail that says so, and the visitor
    sees the same page after about the same work.
    """
    if address_known(asked.email):
        make_password(asked.password)  # the hash is the slow part of a real sign-up
        _tell_known(normal_address(asked.email))
        return
    with transaction.atomic():
        member = Member.objects.create(
            name=asked.organisation,
            kind=asked.kind,
            force=asked.force,
            postcode=asked.postcode,
            website=asked.website,
        )
        user = create_member_user(asked.email, asked.name, asked.password, member, Role.OWNER, confirmed=False)
    EmailAddress.objects.get(user=user, primary=True).send_confirmation(request, signup=True)
    log.info("site.signed_up", member=member.reference, force=member.force)


def _tell_known(email: str) -> None:
    body = render_to_string("site/mail/known.txt", {"sign_in": settings.CONFIG.url + "/account/login/"}, using="jinja2")
    send_mail(f"{settings.CONFIG.service_name}: you have an account already", body, None, [email])
