"""The portal's pages that change something at a collector or a device: its token, its name, its rest, and mails about alarms.

Each act is a POST by a person of the member, and is recorded. Everybody else gets 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from cyberalarm.central.accounts.access import approved_member_page
from cyberalarm.central.accounts.models import User
from cyberalarm.central.alarms import devices, mailing
from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.ingest.models import LedgerTotal
from cyberalarm.central.ingest.totals import OTHER_DEVICES
from cyberalarm.central.portal import services
from cyberalarm.central.portal.forms import DeviceNameForm
from cyberalarm.central.portal.views import device_page
from cyberalarm.core.errors import RefusedError

if TYPE_CHECKING:
    from cyberalarm.central.members.models import Collector, Member


def _collector(member: Member, reference: str) -> Collector:
    found = services.collector_of(member, reference)
    if found is None:
        raise Http404
    return found


def _device(collector: Collector, key: int) -> str:
    found = LedgerTotal.objects.filter(collector=collector, pk=key).exclude(device=OTHER_DEVICES).first()
    if found is None:
        raise Http404
    return found.device


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user


@require_POST
@approved_member_page
def withdraw(request: HttpRequest, member: Member, reference: str) -> HttpResponse:
    """Make a token that was shown, and not used, worthless."""
    found = _collector(member, reference)
    try:
        enrolment.withdraw_token(found, _person(request))
    except RefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The token was withdrawn. Nobody can enrol a collector with it any more.")
    return redirect("portal:collector", reference=reference)


@require_POST
@approved_member_page
def name_device(request: HttpRequest, member: Member, reference: str, key: int) -> HttpResponse:
    found = _collector(member, reference)
    device = _device(found, key)
    form = DeviceNameForm(request.POST)
    if not form.is_valid():
        return device_page(request, found, key, form, 422)
    name = form.cleaned_data["name"]
    devices.give_name(found, device, name, _person(request))
    messages.success(request, f"The device is called “{name}” now." if name else "The device has no name any more.")
    return redirect("portal:device", reference=reference, key=key)


@require_POST
@approved_member_page
def rest_device(request: HttpRequest, member: Member, reference: str, key: int) -> HttpResponse:
    """Put a device to rest, or have it watched again."""
    found = _collector(member, reference)
    device = _device(found, key)
    match request.POST.get("rest"):
        case "yes":
            devices.put_to_rest(found, device, _person(request))
            messages.success(request, "The device is at rest. When it sends again, it is watched again.")
        case "no":
            devices.watch_again(found, device, _person(request))
            messages.success(request, "The device is watched again.")
        case _:
            raise Http404
    return redirect("portal:device", reference=reference, key=key)


@require_POST
@approved_member_page
def choose_mails(request: HttpRequest, _member: Member) -> HttpResponse:
    """Whether this person, and nobody else, is written to about alarms."""
    if request.POST.get("mails") not in ("yes", "no"):
        raise Http404
    wanted = request.POST["mails"] == "yes"
    mailing.choose(_person(request), wanted=wanted)
    messages.success(
        request, "You are written to when an alarm begins." if wanted else "You get no mails about alarms any more."
    )
    return redirect("portal:alarms")
