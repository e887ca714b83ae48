"""What members call their devices, for whoever may read it (`accounts.services.may_read_device_names`).

A name stands beside the reference, never in its place, so that a page, a mail and the collector are seen to mean the same one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cyberalarm.central.members.models import Device

# Collector number and device reference: the name.
Names = Mapping[tuple[int, str], str]
# As findings name the devices that reported them (`findings.words`).
_NAMED = re.compile(r"\(device ([^\s()]{1,32})\)")


def names_of(collectors: Iterable[int]) -> dict[tuple[int, str], str]:
    """The names that members gave to devices of these collectors."""
    rows = Device.objects.filter(collector__in=list(collectors)).exclude(name="")
    return {(one, reference): name for one, reference, name in rows.values_list("collector", "reference", "name")}


def names_of_member(member: int) -> dict[str, str]:
    """A member's names by reference alone, for texts that do not say whose collector it was."""
    rows = Device.objects.filter(collector__site__member=member).exclude(name="")
    return dict(rows.order_by("pk").values_list("reference", "name"))


def label(names: Names, collector: int, reference: str) -> str:
    """A device as people read it: its name with the reference beside it, or the reference alone."""
    name = names.get((collector, reference), "")
    return f"{name} ({reference})" if name else reference


def with_names(text: str, names: Mapping[str, str]) -> str:
    """A finding's text with the names of the devices that it names by reference."""
    if not names:
        return text

    def named(found: re.Match[str]) -> str:
        name = names.get(found[1], "")
        return f"(device {name}, {found[1]})" if name else found[0]

    return _NAMED.sub(named, text)
