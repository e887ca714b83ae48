"""The member's pages. Each guard hands over the signed-in person's own member; nothing else is ever read."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cyberalarm.central.accounts.access import approved_member_page, member_page
from cyberalarm.central.accounts.models import User
from cyberalarm.central.accounts.services import may_acknowledge
from cyberalarm.central.console import judging
from cyberalarm.central.console.errors import JudgementRefusedError
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.members.models import Collector, Site
from cyberalarm.central.portal import services
from cyberalarm.central.portal.forms import NameForm
from cyberalarm.core.errors import RefusedError
from cyberalarm.core.outcome import OUTCOMES, WORDS
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from cyberalarm.central.members.models import Member
    from cyberalarm.envelope.tokens import RegistrationToken

_ONCE = "provision-once"


@require_safe
@member_page
def home(request: HttpRequest, member: Member) -> HttpResponse:
    view = services.member_view(member)
    return render(request, "portal/home.html", {"member": member, "view": view, "approved": _approved(member)})


def _approved(member: Member) -> bool:
    return member.status == member.Status.APPROVED


@require_http_methods(["GET", "HEAD", "POST"])
@approved_member_page
def add_site(request: HttpRequest, member: Member) -> HttpResponse:
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        site = services.add_site(member, form.cleaned_data["name"])
        if site is not None:
            messages.success(request, f"The site “{site.name}” was added.")
            return redirect("portal:provision", key=site.pk)
        form.add_error("name", "You have a site of this name already")
    context = {"form": form}
    return render(request, "portal/add_site.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@approved_member_page
def provision(request: HttpRequest, member: Member, key: int) -> HttpResponse:
    """Make a collector and show its token, once: sending the same form again makes nothing."""
    site = get_object_or_404(Site, pk=key, member=member)
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if not secrets.compare_digest(request.POST.get("once", "").encode(), request.session.pop(_ONCE, "-").encode()):
            messages.info(
                request,
                "This collector was provisioned before. A token is shown once; renew it if it was lost.",
            )
            return redirect("portal:home")
        collector, token = enrolment.provision(site, form.cleaned_data["name"], _person(request))
        return _token_page(request, collector, token)
    request.session[_ONCE] = secrets.token_urlsafe(16)
    context = {"form": form, "site": site, "once": request.session[_ONCE]}
    return render(request, "portal/provision.html", context, status=422 if form.errors else 200)


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def _token_page(request: HttpRequest, collector: Collector, token: RegistrationToken) -> HttpResponse:
    context = {"collector": collector, "token": token.to_text(), "expires": collector.token_expires}
    return render(request, "portal/token.html", context)


@require_safe
@approved_member_page
def collector(request: HttpRequest, member: Member, reference: str) -> HttpResponse:
    found = services.collector_of(member, reference)
    if found is None:
        raise Http404
    heads = [(WORDS[outcome].name, WORDS[outcome].meaning) for outcome in OUTCOMES]
    view = services.collector_view(found, timezone.now())
    return render(request, "portal/collector.html", {"collector": view, "heads": heads, "site": found.site})


@require_POST
@approved_member_page
def renew(request: HttpRequest, member: Member, reference: str) -> HttpResponse:
    found = services.collector_of(member, reference)
    if found is None:
        raise Http404
    try:
        token = enrolment.renew_token(found, _person(request))
    except RefusedError as error:
        messages.error(request, str(error))
        return redirect("portal:collector", reference=reference)
    return _token_page(request, found, token)


@require_safe
@approved_member_page
def findings(request: HttpRequest, member: Member) -> HttpResponse:
    may = may_acknowledge(_person(request), member)
    context = {
        "findings": services.findings_of(member),
        "acts": (lambda one: judging.MEMBER_ACTS.get(one.status, ())) if may else None,
    }
    return render(request, "portal/findings.html", context)


@require_POST
@approved_member_page
def finding(request: HttpRequest, member: Member, key: int) -> HttpResponse:
    """The member's owner says that it has seen a finding."""
    found = judging.finding_in(Scope.of_member(member.pk), key)
    if found is None or not may_acknowledge(_person(request), member):
        raise Http404
    try:
        judging.acknowledge(found, _person(request))
    except JudgementRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{found.title}” was acknowledged.")
    return redirect("portal:findings")


@require_safe
@approved_member_page
def reports(request: HttpRequest, member: Member) -> HttpResponse:
    return render(request, "portal/reports.html", {"reports": services.reports_of(member)})


@require_safe
@approved_member_page
def certificate(request: HttpRequest, member: Member) -> HttpResponse:
    verify = settings.CONFIG.url + reverse("site:verify", args=[member.reference])
    return render(request, "portal/certificate.html", {"member": member, "verify": verify})
