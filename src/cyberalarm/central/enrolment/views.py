"""POST /api/collector/v1/enrol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from cyberalarm.central.enrolment import services
from cyberalarm.central.enrolment.problems import api_view
from cyberalarm.envelope.requests import MAX_ENROLMENT_REQUEST, EnrolmentRequest

if TYPE_CHECKING:
    from django.http import HttpRequest


@api_view("POST")
def enrol(request: HttpRequest) -> HttpResponse:
    """Answer a registration token and a public key with the signed enrolment document."""
    posted = EnrolmentRequest.from_bytes(request.read(MAX_ENROLMENT_REQUEST + 1))
    return HttpResponse(services.enrol(posted), content_type="application/json")
