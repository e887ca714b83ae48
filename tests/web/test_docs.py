"""docs/web.md names every public route, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from cyberalarm.central.accounts.access import PUBLIC_ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text("utf-8")


def test_every_public_route_is_documented() -> None:
    section = PAGE.partition("| public route | what |")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines()[2:] if line.startswith("|")]
    documented = {name.strip("/") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert documented == {_plain(route) for route in PUBLIC_ROUTES}


def _plain(route: str) -> str:
    """`account/confirm-email/(?P<key>…)/$` is documented as `account/confirm-email/<key>`."""
    named = re.sub(r"\(\?P<uidb36>[^)]*\)-", "", route)
    named = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", named)
    return re.sub(r"<\w+:(\w+)>", r"<\1>", named).rstrip("$").strip("/")
