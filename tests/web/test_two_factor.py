"""Two-factor sign-in in the site's own layout: switched on, asked for, and not to be walked around."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import TYPE_CHECKING

from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User


def code(secret: str, step: int = 0) -> str:
    """RFC 6238 with its defaults: SHA-1, 30 seconds, six digits."""
    counter = struct.pack(">Q", int(time.time()) // 30 + step)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"


def test_an_authenticator_app_is_asked_for_once_it_is_active(owner: User) -> None:
    browser = Visitor()
    browser.post("/account/login/", {"login": owner.email, "password": PASSWORD})
    asked = browser.get("/account/2fa/totp/activate/")
    assert asked.headers["Location"].startswith("/account/reauthenticate/"), "a borrowed session cannot do this"
    browser.post(asked.headers["Location"], {"password": PASSWORD})
    page = browser.get("/account/2fa/totp/activate/").content.decode()
    assert 'class="ca-qr" src="data:image/svg+xml;' in page
    assert "govuk-input" in page
    secret = re.search(r'value="([A-Z2-7]{32})"', page)
    assert secret
    assert browser.post("/account/2fa/totp/activate/", {"code": "000000x"}).status_code == 200
    assert browser.post("/account/2fa/totp/activate/", {"code": code(secret[1])}).status_code == 302

    second = Visitor()
    halfway = second.post("/account/login/", {"login": owner.email, "password": PASSWORD})
    assert halfway.headers["Location"] == "/account/2fa/authenticate/"
    assert second.get("/member/").status_code == 302
    assert "Sign In" in second.get("/account/2fa/authenticate/").content.decode()
    assert second.post("/account/2fa/authenticate/", {"code": "123"}).status_code == 200
    assert second.get("/member/").status_code == 302
    # A code is good once: the next one is taken, which the tolerance for clocks allows.
    entered = second.post("/account/2fa/authenticate/", {"code": code(secret[1], step=1)})
    assert entered.headers["Location"] == "/member/"
    assert second.get("/member/").status_code == 200
