"""The configuration: safe defaults, and errors that name file and key. Its page tells of every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, SecretStr

from cyberalarm.central.config import CentralConfig
from cyberalarm.collector.config import CollectorConfig, load
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dat = 1", "key 'dat': Extra inputs are not permitted"),
        ("[listen]\nudp = ['514']", "key 'listen.udp.0': write an address and a port, such as 0.0.0.0:514"),
        ("[listen]\ntcp = ['0.0.0.0:70000']", "key 'listen.tcp.0': write an address and a port"),
        ("[networks]\nown = ['203.0.113.0/33']", "key 'networks.own.0'"),
        ("[networks]\ntrusted = ['a school']", "key 'networks.trusted.0'"),
        ("time_zone = 'London'", "key 'time_zone': write a time zone such as Europe/London"),
        ("time_zone = '../../etc/passwd'", "key 'time_zone'"),
        ("bundle_seconds = 0", "key 'bundle_seconds'"),
        ("bundle_rows = 200_000", "key 'bundle_rows'"),
        ("spool_bytes = 'much'", "key 'spool_bytes'"),
        ("data = ", "not valid TOML"),
        ("data = 'ü'".encode("latin-1"), "not valid TOML"),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = tmp_path / "collector.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as error:
        load(path)
    assert error.value.what.startswith(f"{path}: ")
    assert says in error.value.what


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        load(tmp_path / "none.toml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "collector.toml").write_text("data = 'here'")
    assert load(tmp_path / "collector.toml").data == tmp_path / "here"
    (tmp_path / "collector.toml").write_text("data = '/var/lib/cyberalarm'")
    assert load(tmp_path / "collector.toml").data == Path("/var/lib/cyberalarm")


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key with its default, as a configuration file writes it."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        elif kind is not SecretStr:  # a password is never written there: the file is refused that has one
            yield f"{prefix}{name}", field.get_default(call_default_factory=True)


def written(text: str) -> dict[str, str]:
    """Key and default of every row of a section's table."""
    return dict(re.findall(r"^\| `([a-z_.]+)` \| ([^|]*?) \|", text, re.MULTILINE))


@pytest.mark.parametrize(("title", "model"), [("The collector", CollectorConfig), ("The centre", CentralConfig)])
def test_the_page_tells_of_every_key_and_its_default(title: str, model: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = written(section)
    found = dict(keys(model))
    assert set(rows) == set(found)
    for key, default in found.items():
        told = tomllib.loads(f"value = {rows[key].strip('`')}")["value"]
        assert told == (str(default) if isinstance(default, Path) else default), key


def test_the_example_is_a_good_configuration() -> None:
    example = ROOT / "deploy" / "collector" / "collector.toml"
    config = load(example)
    assert config.data == Path("/var/lib/cyberalarm-collector")
    text = example.read_text("utf-8")
    for key, _ in keys(CollectorConfig):
        assert re.search(rf"^#? ?{key.rpartition('.')[2]} = ", text, re.MULTILINE), key
    # Every key that is commented out is written there with its default.
    uncommented = tomllib.loads(re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    CollectorConfig.model_validate(uncommented)


def test_the_service_runs_the_example() -> None:
    unit = (ROOT / "deploy" / "collector" / "cyberalarm-collector.service").read_text("utf-8")
    keys_set = dict(re.findall(r"^([A-Z][A-Za-z]+)=(.*)$", unit, re.MULTILINE))
    assert keys_set["ExecStart"].endswith("/cyberalarm collector run --config /etc/cyberalarm/collector.toml")
    assert f"/var/lib/{keys_set['StateDirectory']}" == str(load(ROOT / "deploy" / "collector" / "collector.toml").data)
    assert keys_set["CapabilityBoundingSet"] == keys_set["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert "ProcSubset" not in keys_set, "the drops are read from /proc/net"


def test_the_page_names_real_limits() -> None:
    from cyberalarm.collector.devices import MOST_DEVICES
    from cyberalarm.collector.receive.chunk import LONGEST_LINE

    page = (ROOT / "docs" / "collector.md").read_text("utf-8")
    assert f"{LONGEST_LINE // 1024} KiB" in page
    assert f"{MOST_DEVICES:,}" in page
