"""GET /api/collector/v1/sources/<sha256>."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from cyberalarm.central.enrolment.problems import api_view
from cyberalarm.central.ingest.services import speaker_of
from cyberalarm.central.sources import services
from cyberalarm.envelope.requests import SignedRequest

if TYPE_CHECKING:
    from django.http import HttpRequest


@api_view("GET")
def sources(request: HttpRequest, sha256: str) -> HttpResponse:
    """Answer a signed request with the file of the current list of sources."""
    collector = speaker_of(SignedRequest.read(request.headers), "GET", request.get_full_path())
    return HttpResponse(services.fetch(collector.pk, sha256), content_type="application/octet-stream")
