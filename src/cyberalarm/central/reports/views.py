"""Handing out reports: to people of the member that one is about, and to police whose scope covers it; nobody
else.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from cyberalarm.central.accounts.models import User
from cyberalarm.central.accounts.services import may_see_member, scope_covers, scope_of
from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.reports.models import Form, Report

_TYPES = {Form.HTML: "text/html; charset=utf-8", Form.PDF: "application/pdf", Form.CSV: "application/zip"}
_ENDINGS = {Form.HTML: "html", Form.PDF: "pdf", Form.CSV: "zip"}
# A report brings its own style and draws its own pictures; it needs nothing else and may do nothing else.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; sandbox"
)


def may_see_report(user: User, report: Report) -> bool:
    """May this person read this report?"""
    if report.member is not None:
        return may_see_member(user, report.member)
    return user.is_police and scope_covers(scope_of(user), report.scope)


@require_GET
@never_cache
def download(request: HttpRequest, reference: str, form: str) -> FileResponse:
    """One form of a report. Whoever may not see it cannot tell it from one that does not exist."""
    report = Report.objects.select_related("member").filter(reference=reference).first()
    user = request.user
    if report is None or form not in Form or not isinstance(user, User) or not may_see_report(user, report):
        raise Http404
    chosen = Form(form)
    try:
        opened = report.file(settings.CONFIG.data, chosen).open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    if user.is_police:
        with transaction.atomic():
            record(user, Action.REPORT_DOWNLOADED, f"report:{report.reference}")
    response = FileResponse(
        opened,
        as_attachment=chosen is not Form.HTML,
        filename=f"cyberalarm-{report.reference}-{report.period_end}.{_ENDINGS[chosen]}",
        content_type=_TYPES[chosen],
    )
    response.headers["Content-Security-Policy"] = _POLICY
    return response
