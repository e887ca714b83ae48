"""The guides' pages, open to everybody: whoever installs a collector need not be able to sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cyberalarm.central.guides import services

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_SEARCH = 80


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "")[:_LONGEST_SEARCH]
    context = {"installs": services.installs(), "devices": services.matching(words), "words": words}
    return render(request, "guides/index.html", context)


@require_safe
def device(request: HttpRequest, name: str) -> HttpResponse:
    return _page(request, lambda: services.device_html(name))


@require_safe
def install(request: HttpRequest, name: str) -> HttpResponse:
    return _page(request, lambda: services.install_html(name))


@require_safe
def alarms(request: HttpRequest) -> HttpResponse:
    return _page(request, services.alarms_html)


def _page(request: HttpRequest, make: Callable[[], str | None]) -> HttpResponse:
    html = make()
    if html is None:
        raise Http404
    title = html.partition(">")[2].partition("</h1>")[0]
    return render(request, "guides/page.html", {"html": html, "title": title})
