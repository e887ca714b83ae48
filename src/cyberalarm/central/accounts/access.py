"""Which pages are open to everybody, and the middleware and guards that close all others.

Deny by default: a route that is not named in `PUBLIC_ROUTES` or below `SIGNED_ROUTES` sends a visitor to the
sign-in page, whatever its view forgets. The guards then keep members out of police pages and the other way
round; they answer 404, so that nobody learns what exists.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache

from cyberalarm.central.accounts.models import User
from cyberalarm.central.members.models import Member

if TYPE_CHECKING:
    from collections.abc import Callable

# Routes as Django knows them (`ResolverMatch.route`). A test reads the same table.
PUBLIC_ROUTES: frozenset[str] = frozenset(
    {
        "",
        "privacy",
        "join",
        "join/done",
        "verify/<str:reference>",
        "guides/",
        "guides/alarms",
        "guides/devices/<str:name>",
        "guides/install/<str:name>",
        "healthz",
        "livez",
        "readyz",
        "metrics",  # for whoever has its token; 404 for all others
        "api/collector/v1/introduction",  # what it says is signed and for everybody
        "static/<path:name>",
        "account/login/",
        "account/logout/",
        "account/inactive/",
        "account/signup/",
        "account/confirm-email/",
        "account/confirm-email/(?P<key>[-:\\w]+)/$",
        "account/password/reset/",
        "account/password/reset/done/",
        "account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        "account/password/reset/key/done/",
        "account/login/code/confirm/",
        "account/2fa/authenticate/",
    }
)
# Collectors do not sign in: below this, each request is judged by its signature or its registration token.
SIGNED_ROUTES = "api/collector/v1/"

P = ParamSpec("P")


class SignInRequired(LoginRequiredMiddleware):
    """Sends visitors of every route that is not declared public to the sign-in page."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: object,  # noqa: ARG002
        view_kwargs: object,  # noqa: ARG002
    ) -> HttpResponseBase | None:
        match = request.resolver_match
        route = match.route if match else None
        if route is not None and (route in PUBLIC_ROUTES or route.startswith(SIGNED_ROUTES)):
            return None
        if request.user.is_authenticated:
            return None
        return self.handle_no_permission(request, view_func)


def member_page(
    view: Callable[Concatenate[HttpRequest, Member, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Hand the signed-in person's own member to the view; 404 for everybody else."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or user.member is None:
            raise Http404
        return view(request, user.member, *args, **kwargs)

    return guarded


def approved_member_page(
    view: Callable[Concatenate[HttpRequest, Member, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """As `member_page`, and a member that is not approved goes back to its front page, which says why."""

    @wraps(view)
    def approved(request: HttpRequest, member: Member, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if member.status != Member.Status.APPROVED:
            return redirect("portal:home")
        return view(request, member, *args, **kwargs)

    return member_page(approved)


def police_page(
    view: Callable[Concatenate[HttpRequest, User, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Hand the signed-in police person to the view; 404 for everybody else."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or not user.is_police:
            raise Http404
        return view(request, user, *args, **kwargs)

    return guarded
