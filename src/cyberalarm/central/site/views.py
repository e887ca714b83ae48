"""Public pages, sign-up, health, static files and error pages."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path

from allauth.core import ratelimit
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from cyberalarm.central.accounts.models import User
from cyberalarm.central.members.models import Member
from cyberalarm.central.site.forms import SignUpForm, force_choices
from cyberalarm.central.site.health import fit
from cyberalarm.central.site.services import SignUp, sign_up


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "site/home.html")


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "site/privacy.html")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, User):
        return redirect("site:home")
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not ratelimit.consume(request, action="signup"):
            return _problem(request, 429)
        if form.is_valid():
            asked = {key: str(value) for key, value in form.cleaned_data.items() if key != "agreement"}
            sign_up(request, SignUp(**asked))
            return redirect("site:joined")
    context = {"form": form, "forces": force_choices(), "kinds": Member.Kind.choices}
    return render(request, "site/join.html", context, status=422 if form.errors else 200)


@require_safe
def joined(request: HttpRequest) -> HttpResponse:
    return render(request, "site/joined.html")


@require_safe
def verify(request: HttpRequest, reference: str) -> HttpResponse:
    """Say that an organisation is a member and since when, and nothing else about it."""
    member = Member.objects.filter(reference=reference, status=Member.Status.APPROVED).first()
    if member is None or member.approved is None:
        raise Http404
    return render(request, "site/verify.html", {"name": member.name, "since": member.approved})


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """200 while the centre can do its work, else 503; why not is for its operators (`health.examine`)."""
    good = fit()
    text = "ok\n" if good else "not ok\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8", status=200 if good else 503)


@require_safe
def static_file(request: HttpRequest, name: str) -> HttpResponse:
    """A file of the site's own static folders; an address with a content mark may be kept for a year."""
    found = finders.find(name)
    if not isinstance(found, str) or not Path(found).is_file():
        raise Http404
    kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
    response = HttpResponse(Path(found).read_bytes(), content_type=kind)
    age = "31536000, immutable" if "v" in request.GET else "300"
    response.headers["Cache-Control"] = f"public, max-age={age}"
    return response


@dataclass(frozen=True, slots=True)
class Problem:
    title: str
    text: str


_PROBLEMS: dict[int, Problem] = {
    400: Problem("We could not understand that request", "Go back and try again."),
    403: Problem("You cannot do that", "You may have to sign in as somebody else."),
    404: Problem(
        "Page not found",
        "If you typed the address, check that it is right. The page may not be for you to see.",
    ),
    419: Problem(
        "This form is no longer valid",
        "Go back, load the page again and fill in the form once more. Your browser must accept cookies from this site.",
    ),
    429: Problem("Too many tries", "Wait a few minutes and try again."),
    500: Problem("Something went wrong here", "It is not your fault. Try again later; what you sent may not be saved."),
}


def _problem(request: HttpRequest, status: int, kind: int | None = None) -> HttpResponse:
    """The layout needs to know who asks; a request that is refused before that gets a page without it."""
    page = "site/problem.html" if hasattr(request, "user") else "site/failed.html"
    return render(request, page, {"problem": _PROBLEMS[kind or status]}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _problem(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _problem(request, 403)


def forbidden_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    return _problem(request, 403, kind=419)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _problem(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Uses neither session nor database: either may be what failed."""
    return render(request, "site/failed.html", {"problem": _PROBLEMS[500]}, status=500)
