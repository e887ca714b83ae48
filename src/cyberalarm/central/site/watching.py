"""What machines ask the centre: is it alive, is it ready, how is it going.

`/livez`: the process answers; looks at nothing. `/readyz`: can this process do its work now, for a load balancer: 200 or 503,
and with the metrics token each part by name. `/metrics`: figures for Prometheus, with the token only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cyberalarm.central.site import figures, health

if TYPE_CHECKING:
    from collections.abc import Callable


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return HttpResponse("alive\n", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    parts = health.parts()
    good = all(part.good for part in parts)
    answer: dict[str, object] = {"ready": good}
    if figures.may_fetch(settings.CONFIG, request.headers.get("Authorization", "")):
        answer["parts"] = {part.name: {"good": part.good, "words": part.words} for part in parts}
    return JsonResponse(answer, status=200 if good else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not figures.may_fetch(settings.CONFIG, request.headers.get("Authorization", "")):
        raise Http404
    return HttpResponse(figures.exposition(), content_type=figures.CONTENT_TYPE)


def counted(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Counts each request, and how long it took, by area of the site."""

    def count(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        answer = get_response(request)
        area = figures.area_of(request.path_info)
        figures.REQUESTS.labels(area, str(answer.status_code)).inc()
        figures.SECONDS.labels(area).observe(time.perf_counter() - began)
        return answer

    return count
