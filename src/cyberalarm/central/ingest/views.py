"""POST /api/collector/v1/envelopes and GET /api/collector/v1/status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from cyberalarm.central.enrolment.problems import api_view
from cyberalarm.central.ingest import services
from cyberalarm.envelope.receipts import READS_HEADER, READS_QUARANTINED
from cyberalarm.envelope.requests import InUse, SignedRequest
from cyberalarm.envelope.rotation import VOUCHER_HEADER
from cyberalarm.envelope.sealing import MAX_ENVELOPE

if TYPE_CHECKING:
    from django.http import HttpRequest


@api_view("POST")
def envelopes(request: HttpRequest) -> HttpResponse:
    """Answer an envelope with its receipt."""
    ingest = services.current()
    announced = request.META.get("CONTENT_LENGTH") or ""
    # A length that nobody announced may be the longest. The body waits on the disk, not in memory, until it is read.
    with ingest.room(int(announced) if announced.isdigit() else MAX_ENVELOPE):
        # One byte more than allowed, so that an over-long envelope is seen as such.
        receipt = ingest.receive(
            request.read(MAX_ENVELOPE + 1),
            request.headers.get(VOUCHER_HEADER, ""),
            reads_words=request.headers.get(READS_HEADER, "") == READS_QUARANTINED,
        )
    return HttpResponse(receipt, content_type="application/json")


@api_view("GET")
def status(request: HttpRequest) -> HttpResponse:
    """Answer a signed request with what the centre wants its collector to know."""
    signed = SignedRequest.read(request.headers)
    in_use = InUse.from_query(request.GET.dict())
    document = services.current().status(signed, "GET", request.get_full_path(), in_use)
    return HttpResponse(document, content_type="application/json")
