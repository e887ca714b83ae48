"""The console's pages. A page outside the person's scope does not exist for them: 404."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from cyberalarm.central.accounts.access import police_page
from cyberalarm.central.accounts.services import (
    may_act_for,
    may_decide_sign_up,
    may_read_device_names,
    may_see_member,
    scope_covers,
    scope_of,
)
from cyberalarm.central.alarms.words import words_of
from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.console import collectors as troubles
from cyberalarm.central.console import judging, services
from cyberalarm.central.console.errors import DecisionRefusedError
from cyberalarm.central.events import store as event_store
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.members.models import Member
from cyberalarm.central.portal.services import collector_views
from cyberalarm.core.places import Level, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.accounts.models import User

_PAGE = 50


@require_safe
@police_page
def overview(request: HttpRequest, user: User) -> HttpResponse:
    return _overview(request, user, scope_of(user))


@require_safe
@police_page
def overview_of(request: HttpRequest, user: User, level: str, code: str) -> HttpResponse:
    """A narrower scope inside the person's own."""
    try:
        inner = (
            Scope.of_force(code) if level == Level.FORCE else Scope.of_region(code) if level == Level.REGION else None
        )
    except ValueError:
        inner = None
    if inner is None or not scope_covers(scope_of(user), inner):
        raise Http404
    return _overview(request, user, inner)


def _overview(request: HttpRequest, user: User, scope: Scope) -> HttpResponse:
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, services.PERIODS) else services.PERIODS[0]
    context = {
        "view": services.overview(event_store.current(), scope, days),
        "nothing": services.why_nothing(scope),
        "days": days,
        "two_factor": is_mfa_enabled(user),
        "periods": services.PERIODS,
        "findings": services.findings_in(scope),
        "acts": _acts(user),
        "troubled": services.troubled_in(scope),
        "reports": services.reports_in(scope),
        "members": services.members_in(scope).filter(status=Member.Status.APPROVED).count(),
        "pending": services.pending_in(scope).count(),
    }
    return render(request, "console/overview.html", context)


@require_safe
@police_page
def members(request: HttpRequest, user: User) -> HttpResponse:
    rows = services.members_in(scope_of(user)).order_by("name")
    status = request.GET.get("status", "")
    if status in Member.Status.values:
        rows = rows.filter(status=status)
    page = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "status": status, "statuses": Member.Status.choices, "scope": scope_of(user)}
    return render(request, "console/members.html", context)


@require_safe
@police_page
def member(request: HttpRequest, user: User, reference: str) -> HttpResponse:
    """One member's data. Looking at it is recorded before it is shown."""
    found = _visible(user, reference)
    record(user, Action.MEMBER_VIEWED, f"member:{found.reference}")
    scope = Scope.of_member(found.pk)
    context = {
        "member": found,
        "view": services.overview(event_store.current(), scope, services.PERIODS[-1]),
        "nothing": "",
        "collectors": collector_views(found, timezone.now(), names=may_read_device_names(user, found)).values(),
        "findings": services.findings_in(scope),
        "acts": _acts(user),
        "reports": services.reports_of(found),
        "may_end": found.status == Member.Status.APPROVED and may_act_for(user, found),
        "may_decide": found.status == Member.Status.PENDING and may_decide_sign_up(user, found),
    }
    return render(request, "console/member.html", context)


def _acts(user: User) -> Callable[[Finding], tuple[tuple[str, str], ...]]:
    """What this person may do to a finding, for the buttons below it."""
    return lambda one: judging.POLICE_ACTS[one.status] if may_act_for(user, one.member) else ()


@require_safe
@police_page
def findings(request: HttpRequest, user: User) -> HttpResponse:
    """All findings of the person's scope, closed ones too, newest first."""
    rows = services.all_findings_in(scope_of(user))
    status = request.GET.get("status", "")
    if status in Finding.Status.values:
        rows = rows.filter(status=status)
    page = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "status": status,
        "statuses": Finding.Status.choices,
        "scope": scope_of(user),
        "acts": _acts(user),
    }
    return render(request, "console/findings.html", context)


@require_safe
@police_page
def collectors(request: HttpRequest, user: User) -> HttpResponse:
    """Collectors in trouble in the person's scope, what has stood longest first."""
    scope, chosen = scope_of(user), troubles.Filter.read(request.GET.dict())
    context = {
        "scope": scope,
        "chosen": chosen,
        "page": Paginator(troubles.alarms_in(scope, chosen), _PAGE).get_page(request.GET.get("page")),
        "words_of": words_of,
        "numbers": troubles.numbers_in(scope, chosen, timezone.now()),
        "kinds": troubles.kinds_in(scope, chosen),
        "forces": troubles.forces_in(scope, chosen),
        "regions": troubles.regions_of(scope),
        "versions": troubles.versions_in(scope, chosen),
        "further": chosen.query,
    }
    return render(request, "console/collectors.html", context)


@require_safe
@police_page
def collectors_csv(request: HttpRequest, user: User) -> HttpResponse:
    """The same list as a file; taking it away is recorded."""
    scope, chosen = scope_of(user), troubles.Filter.read(request.GET.dict())
    record(user, Action.COLLECTORS_EXPORTED, f"scope:{scope.level}{':' + scope.code if scope.code else ''}")
    rows = troubles.alarms_in(scope, chosen)[: troubles.MOST_IN_CSV]
    answer = HttpResponse(troubles.as_csv(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="collectors.csv"'
    return answer


def _visible(user: User, reference: str) -> Member:
    found = Member.objects.filter(reference=reference).first()
    if found is None or not may_see_member(user, found):
        raise Http404
    return found


@require_safe
@police_page
def sign_ups(request: HttpRequest, user: User) -> HttpResponse:
    waiting = [
        (found, may_decide_sign_up(user, found), _owner_confirmed(found))
        for found in services.pending_in(scope_of(user)).prefetch_related("people")
    ]
    return render(request, "console/sign_ups.html", {"waiting": waiting})


def _owner_confirmed(found: Member) -> bool:
    return bool(EmailAddress.objects.filter(user__in=found.people.all(), verified=True).exists())


@require_POST
@police_page
def decide(request: HttpRequest, user: User, reference: str) -> HttpResponse:
    found = _visible(user, reference)
    if not may_decide_sign_up(user, found) or request.POST.get("decision") not in ("approve", "decline"):
        raise Http404
    approve = request.POST["decision"] == "approve"
    try:
        services.decide(user, found, approve=approve)
    except DecisionRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{found.name} was {'approved' if approve else 'declined'}.")
    return redirect("console:sign-ups")
