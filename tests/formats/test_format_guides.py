"""The pages of all products: made from the packs, up to date, and plain where setting up can do harm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyberalarm.formats import guide
from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from cyberalarm.formats.pack import Pack

PAGES = Path(__file__).parents[2] / "docs" / "devices"
PACKS = bundled().packs


def test_there_is_a_page_for_each_pack_and_no_other() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {pack.name for pack in PACKS} | {"README"}
    assert (PAGES / "README.md").read_text(encoding="utf-8") == guide.index(PACKS)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_a_page_is_what_its_pack_says(pack: Pack) -> None:
    text = (PAGES / f"{pack.name}.md").read_text(encoding="utf-8")
    assert text == guide.page(pack), "make guides"
    assert pack.setup.strip() in text
    assert ("> [!CAUTION]" in text) == bool(pack.warning)


@pytest.mark.parametrize("name", ["cisco-asa"])
def test_devices_that_stop_all_traffic_say_so(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    caution = next(part for part in text.split("\n\n") if part.startswith("> [!CAUTION]"))
    assert "TCP" in caution
    assert "stops all traffic" in caution.lower()


def test_a_title_says_no_name_twice() -> None:
    titles = {pack.name: pack.title for pack in bundled().packs}
    assert titles["rspamd-rspamd"] == "rspamd"
    assert titles["sophos-central"] == "Sophos Central"
    assert titles["generic-cef"] == "Any product that writes CEF"
    assert titles["fortinet-fortigate"].startswith("Fortinet FortiGate")
