"""The record of privileged acts, for the centre's operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cyberalarm.central.accounts.access import police_page
from cyberalarm.central.accounts.services import may_read_audit
from cyberalarm.central.audit.errors import ChainBrokenError
from cyberalarm.central.audit.models import Entry
from cyberalarm.central.audit.services import verify_chain

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User

_PAGE = 100


@require_safe
@police_page
def entries(request: HttpRequest, user: User) -> HttpResponse:
    if not may_read_audit(user):
        raise Http404
    try:
        rows, broken = verify_chain(), ""
    except ChainBrokenError as error:
        rows, broken = 0, str(error)
    page = Paginator(Entry.objects.all(), _PAGE).get_page(request.GET.get("page"))
    return render(request, "audit/entries.html", {"page": page, "rows": rows, "broken": broken})
