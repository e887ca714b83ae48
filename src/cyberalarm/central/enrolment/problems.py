"""How the collector API says no: problem documents (RFC 9457) with a stable code.

`PROBLEMS` lists every code that the API can answer with; docs/collector-api.md explains each, and a test
compares them. What was refused is counted and logged by its code, never by its content.
"""

from __future__ import annotations

import json
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import structlog
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter

from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"  # RFC 9457
_RETRY_SECONDS = 10  # long enough for a full queue to be written several times over

REFUSED = Counter("cyberalarm_collector_api_refused", "Requests of collectors that were refused.", ["code"])

PROBLEMS: dict[str, HTTPStatus] = {
    "method-not-allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "body-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "request-malformed": HTTPStatus.BAD_REQUEST,
    "request-unsigned": HTTPStatus.UNAUTHORIZED,
    "request-time": HTTPStatus.UNAUTHORIZED,
    "request-signature": HTTPStatus.FORBIDDEN,
    "token-unknown": HTTPStatus.FORBIDDEN,
    "token-expired": HTTPStatus.FORBIDDEN,
    "token-used": HTTPStatus.FORBIDDEN,
    "collector-unknown": HTTPStatus.FORBIDDEN,
    "collector-revoked": HTTPStatus.FORBIDDEN,
    "collector-stopped": HTTPStatus.FORBIDDEN,
    "envelope-malformed": HTTPStatus.BAD_REQUEST,
    "envelope-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "envelope-version": HTTPStatus.BAD_REQUEST,
    "envelope-suite": HTTPStatus.BAD_REQUEST,
    "envelope-signature": HTTPStatus.FORBIDDEN,
    "envelope-key-unknown": HTTPStatus.CONFLICT,
    "envelope-unopenable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "envelope-replayed": HTTPStatus.CONFLICT,
    "chain-gap": HTTPStatus.CONFLICT,
    "chain-forked": HTTPStatus.CONFLICT,
    "payload-malformed": HTTPStatus.UNPROCESSABLE_ENTITY,
    "header-mismatch": HTTPStatus.UNPROCESSABLE_ENTITY,
    "ledger-unbalanced": HTTPStatus.UNPROCESSABLE_ENTITY,
    "ledger-implausible": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-unreadable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-schema": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-too-many": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-empty-value": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-enum": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-text": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-time": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-count": HTTPStatus.UNPROCESSABLE_ENTITY,
    "events-severity": HTTPStatus.UNPROCESSABLE_ENTITY,
    "store-refused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "key-change-refused": HTTPStatus.CONFLICT,
    "release-unknown": HTTPStatus.NOT_FOUND,
    "sources-unknown": HTTPStatus.NOT_FOUND,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "store-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}


def refused_since_start() -> dict[str, int]:
    """How often this process has refused, by code, most often first."""
    samples = [sample for metric in REFUSED.collect() for sample in metric.samples]
    counts = {sample.labels["code"]: int(sample.value) for sample in samples if sample.name.endswith("_total")}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def problem_body(error: CyberAlarmError) -> tuple[HTTPStatus, bytes]:
    """Status and JSON of a refusal; an error without a place in `PROBLEMS` is a defect of ours: KeyError.

    `expected` is added where the error has it: the sequence that the collector's chain goes on with.
    """
    status = PROBLEMS[error.code]
    document: dict[str, str | int] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": str(error),
        "code": error.code,
    }
    expected = getattr(error, "expected", None)
    if isinstance(expected, int):
        document["expected"] = expected
    return status, json.dumps(document).encode("ascii")


def refusal(error: CyberAlarmError) -> HttpResponse:
    """The answer to a request that is refused; counts and logs it."""
    status, body = problem_body(error)
    REFUSED.labels(error.code).inc()
    log.info("collector_api.refused", code=error.code, status=int(status))
    answer = HttpResponse(body, status=status, content_type=CONTENT_TYPE)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        answer["Retry-After"] = str(_RETRY_SECONDS)
    return answer


def api_view(
    method: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]
]:
    """A view of the collector API for one method: without CSRF, since no cookie counts here, and never
    cached.

    Errors of ours become problem documents; any other error is a defect and stays one.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            try:
                if request.method != method:
                    raise CyberAlarmError(f"Only {method} is answered here.", code="method-not-allowed")  # noqa: TRY301
                response = view(request, *args, **kwargs)
            except CyberAlarmError as error:
                if error.code not in PROBLEMS:
                    raise
                response = refusal(error)
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                response["Allow"] = method
            response["Cache-Control"] = "no-store"
            return response

        answer.csrf_exempt = True  # type: ignore[attr-defined]
        return answer

    return decorate
