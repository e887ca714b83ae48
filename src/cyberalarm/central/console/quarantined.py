"""Bundles that were put aside: what police see of them, and what may be done. Outside of a person's scope there are none: 404.

The original is given out as it came, sealed: only the centre's own keys open it. Taking it away is recorded, and so are the acts,
with their reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from cyberalarm.central.accounts.access import police_page
from cyberalarm.central.accounts.services import may_act_for, may_see_member, scope_of
from cyberalarm.central.console import services
from cyberalarm.central.console.forms import ReasonForm
from cyberalarm.central.enrolment.services import configuration
from cyberalarm.central.ingest import evidence, quarantine
from cyberalarm.central.ingest.models import Quarantined
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import RefusedError

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User

_PAGE = 50


@require_safe
@police_page
def listing(request: HttpRequest, user: User) -> HttpResponse:
    """What waits for a decision in the person's scope, the newest first."""
    return _listing(request, user, ReasonForm())


def _listing(request: HttpRequest, user: User, form: ReasonForm, status: int = 200) -> HttpResponse:
    scope = scope_of(user)
    collectors = Collector.objects.filter(site__member__in=services.members_in(scope))
    context = {
        "page": Paginator(quarantine.listed(collectors), _PAGE).get_page(request.GET.get("page")),
        "scope": scope,
        "form": form,
        "may_act": lambda held: may_act_for(user, held.envelope.collector.site.member),
    }
    return render(request, "console/quarantine.html", context, status=status)


@require_safe
@police_page
def original(_request: HttpRequest, user: User, key: int) -> HttpResponse:
    """The sealed original of one, as a file."""
    held = _held(user, key)
    record = held.envelope
    path = evidence.path_of(evidence.folder_of(configuration().data), record.collector.reference, record.sequence)
    try:
        sealed = path.read_bytes()  # at most 64 MiB
    except OSError as error:
        raise Http404 from error
    quarantine.downloaded(held, user)
    answer = HttpResponse(sealed, content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{record.collector.reference}-{record.sequence}.env"'
    return answer


@require_POST
@police_page
def decide(request: HttpRequest, user: User, key: int) -> HttpResponse:
    """Have it tried again, or discard it for good."""
    held, form = _held(user, key), ReasonForm(request.POST)
    act = request.POST.get("act")
    if not may_act_for(user, held.envelope.collector.site.member) or act not in {"release", "discard"}:
        raise Http404
    if not form.is_valid():
        return _listing(request, user, form, 422)
    try:
        if act == "release":
            quarantine.ask(held, user, form.cleaned_data["why"])
        else:
            folder = evidence.folder_of(configuration().data)
            quarantine.discard(held, user, form.cleaned_data["why"], folder)
    except RefusedError as error:
        messages.error(request, str(error))
    else:
        done = "is tried again within a minute" if act == "release" else "was discarded"
        messages.success(request, f"Bundle {held.envelope.sequence} {done}.")
    return redirect("console:quarantine")


def _held(user: User, key: int) -> Quarantined:
    found = Quarantined.objects.select_related("envelope__collector__site__member").filter(pk=key).first()
    if found is None or not may_see_member(user, found.envelope.collector.site.member):
        raise Http404
    return found
