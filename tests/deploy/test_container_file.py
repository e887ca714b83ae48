"""The container file: what it says is held against the package and the configuration it uses. Building it needs an engine."""

from __future__ import annotations

import re
import tomllib

from cyberalarm.collector import config as configuration
from tests.collector.processes import ROOT

FOLDER = ROOT / "deploy" / "container"
TEXT = (FOLDER / "Containerfile").read_text("utf-8")
STEPS = [
    (step.split(maxsplit=1)[0], step.split(maxsplit=1)[1])
    for step in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
    if step.strip()
]


def _all(instruction: str) -> list[str]:
    return [words for name, words in STEPS if name == instruction]


def test_it_runs_as_the_packages_user_and_never_as_root_again() -> None:
    assert _all("USER") == ["cyberalarm"]
    names = [name for name, _ in STEPS]
    assert "RUN" not in names[names.index("USER") :]


def test_its_ports_are_those_of_its_configuration_and_need_no_right() -> None:
    config = configuration.load(FOLDER / "collector.toml")
    ports = {f"{one.rpartition(':')[2]}/udp" for one in config.listen.udp}
    ports |= {f"{one.rpartition(':')[2]}/tcp" for one in config.listen.tcp}
    assert set(_all("EXPOSE")[0].split()) == ports
    assert all(int(port.split("/")[0]) > 1023 for port in ports)
    mapped = re.findall(r'"514:(\d+/\w+)"', (FOLDER / "compose.yaml").read_text("utf-8"))
    assert set(mapped) == ports


def test_its_data_is_a_volume_and_where_the_package_makes_the_folder() -> None:
    data = tomllib.loads((FOLDER / "collector.toml").read_text("utf-8"))["data"]
    assert _all("VOLUME") == _all("WORKDIR") == [data]
    assert f"data={data}\n" in (ROOT / "deploy" / "debian" / "postinst").read_text("utf-8")


def test_what_it_copies_is_what_make_puts_beside_it() -> None:
    made = (ROOT / "Makefile").read_text("utf-8").partition("container-context: deb")[2].partition("\n\n")[0]
    for source in (words.split()[0] for words in _all("COPY")):
        assert ("$(DEB)" if source.endswith(".deb") else f"deploy/container/{source}") in made


def test_every_program_it_names_comes_with_the_package() -> None:
    named = set(re.findall(r"/usr/bin/cyberalarm\b|\bcyberalarm collector (?:run|doctor)", TEXT))
    assert {"/usr/bin/cyberalarm", "cyberalarm collector doctor"} <= named
    build = (ROOT / "deploy" / "debian" / "build.py").read_text("utf-8")
    assert 'tree / "usr/bin/cyberalarm"' in build


def test_the_engine_is_told_where_the_container_file_is() -> None:
    """Compose looks for a file called Dockerfile, and docker's --file counts from where it is called, not from the context."""
    assert re.search(
        r"^\s+build: .*dockerfile: Containerfile\b", (FOLDER / "compose.yaml").read_text("utf-8"), re.MULTILINE
    )
    guide = (ROOT / "docs" / "install-container.md").read_text("utf-8")
    [build] = re.findall(r"docker build --file (\S+) --tag \S+ (\S+?)`", guide)
    assert build == (f"{build[1]}/Containerfile", "dist/container")


def test_no_command_of_the_guide_asks_for_root_in_a_container_that_may_do_nothing() -> None:
    """Without capabilities root may not even read the folder of the collector's own user."""
    assert "--user root" not in (ROOT / "docs" / "install-container.md").read_text("utf-8")
