"""POST /api/collector/v1/enrol and key, GET introduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from cyberalarm.central.enrolment import services
from cyberalarm.central.enrolment.problems import api_view
from cyberalarm.envelope.requests import MAX_ENROLMENT_REQUEST, EnrolmentRequest, SignedRequest
from cyberalarm.envelope.rotation import MAX_KEY_CHANGE, KeyChange

if TYPE_CHECKING:
    from django.http import HttpRequest


@api_view("POST")
def enrol(request: HttpRequest) -> HttpResponse:
    """Answer a registration token and a public key with the signed enrolment document."""
    posted = EnrolmentRequest.from_bytes(request.read(MAX_ENROLMENT_REQUEST + 1))
    return HttpResponse(services.enrol(posted), content_type="application/json")


@api_view("POST")
def change_key(request: HttpRequest) -> HttpResponse:
    """Answer a change of a collector's key, signed by the old one and the new one, with the centre's signed word."""
    posted = request.read(MAX_KEY_CHANGE + 1)
    signed, change = SignedRequest.read(request.headers), KeyChange.from_bytes(posted)
    document = services.change_key(signed, request.get_full_path(), change, posted)
    return HttpResponse(document, content_type="application/json")


@api_view("GET")
def introduction(request: HttpRequest) -> HttpResponse:
    """Answer anybody's nonce with who this centre is by now; nothing in it is secret."""
    document = services.introduction(request.GET.get("nonce", ""))
    return HttpResponse(document, content_type="application/json")
