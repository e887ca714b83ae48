"""Every route of the site is either declared public, judged by signature, or closed to visitors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from cyberalarm.central.accounts.access import PUBLIC_ROUTES, SIGNED_ROUTES
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.site.middleware import POLICY
from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.events.store import EventStore


@pytest.fixture(scope="module", autouse=True)
def receiving(migrated: None, store: EventStore) -> Iterator[None]:
    """The receiving side runs, so that it is the signature that is missing and not the receiver."""
    ingest.start(settings.CONFIG, store)
    yield
    ingest.stop()


class Route(NamedTuple):
    route: str
    address: str


_SAMPLES = {
    "int": "1",
    "str": "x",
    "path": "site.js",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "slug": "x",
}


def walk(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[Route]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        else:
            address = "/" + _address(route)
            # Django's own name of what answers there: it is that name which opens a route to everybody.
            yield Route(resolve(address).route, address)


def _address(route: str) -> str:
    """An address that the route matches."""
    filled = re.sub(r"\(\?P<\w+>[^)]*\)", "x", route)
    filled = re.sub(r"<(?:(\w+):)?\w+>", lambda m: _SAMPLES[m[1] or "str"], filled)
    return filled.replace("^", "").replace("$", "").replace("\\", "")


ROUTES = list(walk(get_resolver().url_patterns))


def test_the_walk_sees_the_site() -> None:
    names = {route.route for route in ROUTES}
    assert {
        "member/",
        "police/members",
        "account/login/",
        "api/collector/v1/enrol",
        "api/collector/v1/envelopes",
        "api/collector/v1/packs/<str:sha256>",
        "api/collector/v1/sources/<str:sha256>",
    } <= names
    assert any(name.startswith("reports/") for name in names)
    assert len(ROUTES) > 35


def test_no_public_route_is_declared_for_nothing() -> None:
    assert {route.route for route in ROUTES} >= PUBLIC_ROUTES


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
@pytest.mark.parametrize("route", [r for r in ROUTES if r.route not in PUBLIC_ROUTES], ids=lambda r: r.route)
def test_a_visitor_is_refused(visitor: Visitor, route: Route, method: str) -> None:
    response = getattr(visitor, method)(route.address)
    if route.route.startswith(SIGNED_ROUTES):
        assert 400 <= response.status_code < 500
        return
    assert response.status_code == 302, f"{route.route} answers a visitor with {response.status_code}"
    assert response.headers["Location"].startswith("/account/login/?next=")


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.route)
def test_every_answer_carries_the_security_headers(visitor: Visitor, route: Route) -> None:
    response = visitor.get(route.address)
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "max-age=31536000" in response.headers["Strict-Transport-Security"]
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_policy_allows_nothing_inline_or_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "address", ["/", "/join", "/privacy", "/account/login/", "/account/password/reset/", "/nowhere"]
)
def test_pages_have_nothing_inline(visitor: Visitor, address: str) -> None:
    text = visitor.get(address).content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_pages_carry_no_borrowed_identity(visitor: Visitor) -> None:
    for address in ("/", "/account/login/", "/static/cyberalarm.css"):
        text = visitor.get(address).content.decode()
        assert "crown" not in text.lower().replace("crown-copyright", "")
        assert "GDS Transport" not in text
        assert "govuk-crest" not in text
        assert "GOV.UK" not in text


def test_forms_without_their_token_are_refused(visitor: Visitor) -> None:
    strict = Visitor()
    strict.handler.enforce_csrf_checks = True
    response = strict.post("/join", {"organisation": "x"})
    assert response.status_code == 403
    assert "no longer valid" in response.content.decode()


def test_a_session_ends_after_twelve_hours(owner: User) -> None:
    browser = Visitor()
    page = browser.post("/account/login/", {"login": owner.email, "password": PASSWORD})
    cookie = page.cookies["__Host-session"]
    assert int(cookie["max-age"]) == 12 * 60 * 60
    assert cookie["secure"]
    assert cookie["httponly"]


def test_cookies_are_closed(visitor: Visitor) -> None:
    response = visitor.get("/join")
    cookie = response.cookies["__Host-csrf"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["path"] == "/"


@pytest.mark.parametrize("name", ["../settings.py", "..%2f..%2fsettings.py", "nothing.css", "vendor"])
def test_static_files_stay_in_their_folder(visitor: Visitor, name: str) -> None:
    assert visitor.get(f"/static/{name}").status_code in (400, 404)


def test_static_files_are_kept_long_only_under_their_mark(visitor: Visitor) -> None:
    assert "immutable" in visitor.get("/static/site.js?v=1").headers["Cache-Control"]
    assert "immutable" not in visitor.get("/static/site.js").headers["Cache-Control"]


def test_health_says_so_when_the_event_store_is_missing(visitor: Visitor, events: object) -> None:
    from cyberalarm.central.events import store as event_store

    assert visitor.get("/healthz").status_code == 200
    event_store.use(None)
    assert visitor.get("/healthz").status_code == 503
