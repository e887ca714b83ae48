"""The member's pages that show something, and making sites and collectors. What is done to devices and tokens is in `acting`.

Each guard hands over the signed-in person's own member; nothing else is ever read.
"""

from __future__ import annotations

import secrets
from functools import partial
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
from cyberalarm.central.alarms import mailing, showing
from cyberalarm.central.console import judging
from cyberalarm.central.console.errors import JudgementRefusedError
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.guides import services as guides
from cyberalarm.central.members.models import Collector, Site
from cyberalarm.central.members.naming import names_of, names_of_member, with_names
from cyberalarm.central.portal import services
from cyberalarm.central.portal.devices import DeviceView, devices_of
from cyberalarm.central.portal.forms import DeviceNameForm, NameForm
from cyberalarm.core.errors import RefusedError
from cyberalarm.core.outcome import OUTCOMES, WORDS, Outcome
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
    context = {
        "collector": collector,
        "token": token.to_text(),
        "expires": collector.token_expires,
        "installs": guides.installs(),
    }
    return render(request, "portal/token.html", context)


@require_safe
@approved_member_page
def collector(request: HttpRequest, member: Member, reference: str) -> HttpResponse:
    found = services.collector_of(member, reference)
    if found is None:
        raise Http404
    context = {
        "collector": services.collector_view(found, timezone.now()),
        "site": found.site,
        "ended": showing.ended_of([found.pk], names_of([found.pk])),
        "may_withdraw": bool(found.token_hash) and found.token_expires is not None,
    }
    return render(request, "portal/collector.html", context)


@require_safe
@approved_member_page
def device(request: HttpRequest, member: Member, reference: str, key: int) -> HttpResponse:
    found = services.collector_of(member, reference)
    if found is None:
        raise Http404
    return device_page(request, found, key, DeviceNameForm())


def device_page(
    request: HttpRequest, found: Collector, key: int, form: DeviceNameForm, status: int = 200
) -> HttpResponse:
    """One device of a collector that is known to be the member's."""
    names = names_of([found.pk])
    one = next((one for one in devices_of([found.pk], names, timezone.now())[found.pk] if one.key == key), None)
    if one is None:
        raise Http404
    if not form.is_bound:
        form = DeviceNameForm(initial={"name": one.name})
    context = {
        "device": one,
        "collector": found,
        "rows": [(WORDS[at].name, *_counts(one, at), WORDS[at].meaning) for at in OUTCOMES],
        "alarms": [alarm for alarm in showing.standing_of([found.pk], names) if alarm.device == one.reference],
        "ended": showing.ended_of([found.pk], names, one.reference),
        "guide": guides.device(one.pack),
        "form": form,
    }
    return render(request, "portal/device.html", context, status=status)


def _counts(device: DeviceView, outcome: Outcome) -> tuple[int, ...]:
    return tuple(ledger.outcomes[outcome] for ledger in (device.day, device.month, device.ever))


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
def alarms(request: HttpRequest, member: Member) -> HttpResponse:
    """What stands, what has ended, and whether this person is written to."""
    collectors = Collector.objects.filter(site__member=member).values_list("pk", flat=True)
    names = names_of(collectors)
    context = {
        "standing": showing.standing_of(collectors, names),
        "ended": showing.ended_of(collectors, names),
        "declined": mailing.declined(_person(request)),
    }
    return render(request, "portal/alarms.html", context)


@require_safe
@approved_member_page
def findings(request: HttpRequest, member: Member) -> HttpResponse:
    may = may_acknowledge(_person(request), member)
    context = {
        "findings": services.findings_of(member),
        "say": partial(with_names, names=names_of_member(member.pk)),
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
    context = {"reports": services.reports_of(member), "view": services.member_view(member)}
    return render(request, "portal/reports.html", context)


@require_safe
@approved_member_page
def certificate(request: HttpRequest, member: Member) -> HttpResponse:
    verify = settings.CONFIG.url + reverse("site:verify", args=[member.reference])
    return render(request, "portal/certificate.html", {"member": member, "verify": verify})
