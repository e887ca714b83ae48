"""A visitor with cookies who speaks HTTPS to the site in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.test import Client

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User

PASSWORD = "purple-lantern-marmalade"


class Visitor(Client):
    """Django's test client, always secure, on a host name that the site answers to."""

    def __init__(self, user: User | None = None) -> None:
        super().__init__(SERVER_NAME="localhost", raise_request_exception=True)
        self.defaults["wsgi.url_scheme"] = "https"
        self.defaults["HTTP_REFERER"] = "https://localhost/"
        if user is not None:
            self.force_login(user)

    def generic(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        kwargs["secure"] = True
        return super().generic(*args, **kwargs)  # type: ignore[arg-type]
