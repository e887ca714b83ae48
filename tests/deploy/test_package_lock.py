"""What the package carries by others: all of the collector's dependencies, in the versions that everything else is tested with."""

from __future__ import annotations

import re
import tomllib

from tests.collector.processes import ROOT


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE | re.IGNORECASE))


OURS, ALL = _locked("deploy/debian/requirements.lock"), _locked("requirements.lock")


def test_versions_are_those_of_the_whole_lock() -> None:
    assert len(OURS) > 10
    assert OURS.items() <= ALL.items(), "make lock renews both"


def test_every_dependency_of_the_collector_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = (re.split(r"[<>=\[ ]", one)[0] for one in project["dependencies"])
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in named} <= OURS.keys()  # PEP 503


def test_every_package_is_named_in_the_copyright_file() -> None:
    text = (ROOT / "deploy" / "debian" / "copyright").read_text("utf-8").lower()
    assert [name for name in OURS if name not in text and name != "colorama"] == []  # that one is for Windows
