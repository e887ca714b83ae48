"""Which guides there are, and their text.

Device pages are made from the packs that come with the program. The other pages lie in `pages/`; where the program runs from its
source, installation guides are also found among its documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.urls import reverse

from cyberalarm.central.guides.rendering import render
from cyberalarm.formats import guide as device_pages
from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Pack

_PAGES = Path(__file__).parent / "pages"
_DOCUMENTS = Path(__file__).parents[4] / "docs"
_INSTALL = re.compile(r"install-([a-z0-9-]{1,40})\.md", re.ASCII)
_DEVICE = re.compile(r"(?:devices/)?([a-z0-9-]{1,64})\.md", re.ASCII)


@dataclass(frozen=True, slots=True)
class Guide:
    """One guide's name in its address, and its title. `kind` and `first` are of devices: what it is, and whether to read first."""

    name: str
    title: str
    kind: str = ""
    first: bool = False


@cache
def devices() -> tuple[Guide, ...]:
    """Every product that has a pack, by its name."""
    found = [
        Guide(pack.name, pack.title, device_pages.SENSORS[pack.sensor], bool(pack.warning)) for pack in bundled().packs
    ]
    return tuple(sorted(found, key=lambda guide: guide.title.lower()))


def device(product: str) -> Guide | None:
    """The guide of a product by its pack's name, or None."""
    return next((guide for guide in devices() if guide.name == product), None) if product else None


def matching(words: str) -> tuple[Guide, ...]:
    """The products whose title or name has all of these words."""
    wanted = words.lower().split()
    return tuple(
        guide
        for guide in devices()
        if all(word in f"{guide.title} {guide.name} {guide.kind}".lower() for word in wanted)
    )


def device_html(name: str) -> str | None:
    pack: Pack | None = next((pack for pack in bundled().packs if pack.name == name), None)
    return render(device_pages.page(pack), _resolve) if pack else None


def installs() -> tuple[Guide, ...]:
    """The ways to install a collector that have a guide."""
    found = {}
    for folder in (_DOCUMENTS, _PAGES):
        for path in sorted(folder.glob("install-*.md")):
            if matched := _INSTALL.fullmatch(path.name):
                found[matched[1]] = Guide(matched[1], _title(path))
    return tuple(found.values())


def install_html(name: str) -> str | None:
    for folder in (_PAGES, _DOCUMENTS):
        path = folder / f"install-{name}.md"
        if _INSTALL.fullmatch(path.name) and path.is_file():
            return render(path.read_text("utf-8"), _resolve)
    return None


def alarms_html() -> str:
    """When each alarm begins and ends."""
    return render((_PAGES / "alarms.md").read_text("utf-8"), _resolve)


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return lines.readline().lstrip("# ").strip() or path.stem


def _resolve(href: str) -> str | None:
    """Where a link of a document leads on this site."""
    name = href.partition("#")[0]
    if matched := _INSTALL.fullmatch(name):
        return reverse("guides:install", args=[matched[1]])
    if name == "alarms.md":
        return reverse("guides:alarms")
    if (matched := _DEVICE.fullmatch(name)) and device(matched[1]):
        return reverse("guides:device", args=[matched[1]])
    return None
