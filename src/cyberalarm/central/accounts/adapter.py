"""How allauth behaves here: sign-up stays closed, and links in mails carry the centre's own address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.urls import reverse

from cyberalarm.central.accounts.models import User

if TYPE_CHECKING:
    from allauth.account.models import EmailConfirmation
    from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Organisations join through the centre's own form, never through allauth's."""
        return False

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: EmailConfirmation) -> str:  # noqa: ARG002
        """Built from configuration, so that a forged Host header cannot choose where the link leads."""
        return settings.CONFIG.url + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.CONFIG.url + path.replace("UID-KEY", key)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        user = request.user
        return reverse("console:overview" if isinstance(user, User) and user.is_police else "portal:home")
