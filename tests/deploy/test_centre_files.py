"""What starts the centre's parts on servers: as far as it can be told without a container engine, and by systemd's own checks."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from cyberalarm.central.config import CentralConfig
from cyberalarm.cli import central as commands

FOLDER = Path(__file__).parents[2] / "deploy" / "centre"
COMPOSE = (FOLDER / "compose.yaml").read_text("utf-8")
PARTS = ("web", "ingest", "worker")


def test_the_configuration_is_one_and_names_the_services_of_the_compose_file() -> None:
    told = CentralConfig.model_validate(tomllib.loads((FOLDER / "central.toml").read_text("utf-8")))
    assert told.profile == "server"
    for host, _ in told.event_store.addresses():
        assert f"\n  {host}:\n" in COMPOSE
    assert "@postgresql/" in told.database.url
    assert "\n  postgresql:\n" in COMPOSE
    assert told.trusted_proxies[0] in COMPOSE
    for secret in re.findall(r"/run/secrets/(\w+)", (FOLDER / "central.toml").read_text("utf-8")):
        assert f"\n  {secret}:\n    file: ./secrets/{secret}\n" in COMPOSE


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_a_command_a_service_and_a_unit(part: str) -> None:
    assert part in {command.callback.__name__ for command in commands.app.registered_commands if command.callback}
    assert f"\n  {part}:\n" in COMPOSE
    assert f"central, {part}, --config" in COMPOSE
    assert f"central {part} --config" in (FOLDER / "systemd" / f"cyberalarm-{part}.service").read_text("utf-8")


def test_what_the_compose_file_mounts_is_there() -> None:
    for name in re.findall(r"- (\./[\w.]+):", COMPOSE):
        assert (FOLDER / name).is_file()
    assert (FOLDER / "Containerfile").is_file()


def test_passwords_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "prepare", tmp_path / "prepare")
    made = []
    for _ in range(2):
        subprocess.run([str(tmp_path / "prepare")], check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    assert made[0] == made[1]
    assert len(set(made[0].values())) == 2
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in made[0].values())
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "secrets").iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
@pytest.mark.parametrize("part", PARTS)
def test_units_are_what_systemd_understands_and_little_exposed(part: str, tmp_path: Path) -> None:
    text = (FOLDER / "systemd" / f"cyberalarm-{part}.service").read_text("utf-8")
    unit = tmp_path / f"cyberalarm-{part}.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert unit.name not in verified.stderr, verified.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)], capture_output=True, text=True
    )
    assert judged.returncode == 0, judged.stdout[-400:]
