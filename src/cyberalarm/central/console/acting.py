"""The console's pages that change something: collectors, memberships, findings.

Each act is a POST by a person whom `may_act_for` lets, with a reason; what cannot be undone has a page of its own that
says what will happen. Everybody else gets 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cyberalarm.central.accounts.access import police_page
from cyberalarm.central.accounts.services import may_act_for, may_read_device_names, may_see_member, scope_of
from cyberalarm.central.alarms import showing
from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.console import judging
from cyberalarm.central.console.errors import JudgementRefusedError
from cyberalarm.central.console.forms import ReasonForm
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.central.members.naming import names_of
from cyberalarm.central.portal import services as portal
from cyberalarm.core.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.accounts.models import User


class _Act(NamedTuple):
    """Something to do to a collector. `states` are those that it can be done in; `done` is what is said then."""

    do: Callable[[Collector, User | None, str], Collector]
    states: tuple[str, ...]
    button: str
    done: str
    final: bool = False


_Status = Collector.Status
_ACTS: dict[str, _Act] = {
    "stop": _Act(enrolment.stop, (_Status.PROVISIONED, _Status.ENROLLED), "Stop this collector", "was stopped"),
    "resume": _Act(enrolment.resume, (_Status.STOPPED,), "Let this collector go on", "may go on"),
    "revoke": _Act(
        enrolment.revoke,
        (_Status.PROVISIONED, _Status.ENROLLED, _Status.STOPPED),
        "Revoke this collector for good",
        "was revoked",
        final=True,
    ),
}


def _collector(user: User, reference: str) -> Collector:
    found = Collector.objects.select_related("site__member").filter(reference=reference).first()
    if found is None or not may_see_member(user, found.site.member):
        raise Http404
    return found


@require_safe
@police_page
def collector(request: HttpRequest, user: User, reference: str) -> HttpResponse:
    """One collector: how it is, and what can be done. Looking is recorded as looking at its member's data."""
    found = _collector(user, reference)
    record(user, Action.MEMBER_VIEWED, f"member:{found.site.member.reference}")
    return _collector_page(request, user, found, ReasonForm())


def _collector_page(
    request: HttpRequest, user: User, found: Collector, form: ReasonForm, status: int = 200
) -> HttpResponse:
    may = may_act_for(user, found.site.member)
    acts = [(name, act) for name, act in _ACTS.items() if may and found.status in act.states]
    names = may_read_device_names(user, found.site.member)
    context = {
        "member": found.site.member,
        "collector": portal.collector_view(found, timezone.now(), names=names),
        "ended": showing.ended_of([found.pk], names_of([found.pk]) if names else {}),
        "acts": acts,
        "form": form,
    }
    return render(request, "console/collector.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@police_page
def act(request: HttpRequest, user: User, reference: str, name: str) -> HttpResponse:
    """Do one of `_ACTS`. What is final asks on a page of its own; the others are asked on the collector's page."""
    found, chosen = _collector(user, reference), _ACTS.get(name)
    if chosen is None or not may_act_for(user, found.site.member):
        raise Http404
    if request.method != "POST" and not chosen.final:
        return redirect("console:collector", reference=reference)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.errors else 200
        if chosen.final:
            context = {"collector": found, "member": found.site.member, "form": form}
            return render(request, "console/revoke.html", context, status=status)
        return _collector_page(request, user, found, form, status)
    try:
        chosen.do(found, user, form.cleaned_data["why"])
    except RefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{found.name}” {chosen.done}.")
    return redirect("console:collector", reference=reference)


@require_http_methods(["GET", "HEAD", "POST"])
@police_page
def end_membership(request: HttpRequest, user: User, reference: str) -> HttpResponse:
    """End a membership, after a page that says what that does."""
    found = Member.objects.filter(reference=reference).first()
    if found is None or not may_act_for(user, found):
        raise Http404
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        context = {"member": found, "form": form, "collectors": portal.collector_views(found, timezone.now()).values()}
        return render(request, "console/end_membership.html", context, status=422 if form.errors else 200)
    try:
        enrolment.end_membership(found, user, form.cleaned_data["why"])
    except RefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The membership of {found.name} was ended.")
    return redirect("console:member", reference=reference)


@require_POST
@police_page
def finding(request: HttpRequest, user: User, key: int) -> HttpResponse:
    """Acknowledge, close or open a finding again, then back to the page that it was done on."""
    found = judging.finding_in(scope_of(user), key)
    status = request.POST.get("status", "")
    if found is None or not may_act_for(user, found.member) or status not in Finding.Status.values:
        raise Http404
    try:
        judging.judge(found, Finding.Status(status), user)
    except JudgementRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{found.title}” is {Finding.Status(status).label.lower()} now.")
    match request.POST.get("back"), found.member:
        case "overview", _:
            return redirect("console:overview")
        case "member", Member(reference=reference):
            return redirect("console:member", reference=reference)
    return redirect("console:findings")
