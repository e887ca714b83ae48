"""docs/packs.md names every key of a pack, and docs/events.md holds the schema's table as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from cyberalarm.core.outcome import OUTCOMES
from cyberalarm.formats import loader, pack
from cyberalarm.formats.lint import REFERENCE_MS
from tests.architecture import event_table
from tests.kernel.decoding import told

DOCS = Path(__file__).parents[2] / "docs"
PACKS = (DOCS / "packs.md").read_text("utf-8")
EVENTS = (DOCS / "events.md").read_text("utf-8")

# Where each model's keys are described: a heading's section, or the paragraph about a syntax.
SECTIONS = {
    pack.Pack: ("## The pack", "\n## "),
    pack.Line: ("## `[[line]]`", "\n## "),
    pack.KeyValueOptions: ("- **kv**", "\n- **"),
    pack.CsvOptions: ("- **csv**", "\n- **"),
    pack.Kind: ("## `[[line.kind]]`", "\nA condition is"),
    pack.Test: ("A condition is", "\n## "),
    pack.FieldSource: ("## Fields", "\n## "),
    pack.Example: ("## `[[example]]`", "\n## "),
}


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _section(begin: str, end: str) -> str:
    assert PACKS.count(begin) == 1, begin
    return PACKS.partition(begin)[2].partition(end)[0]


def test_every_model_of_a_pack_has_a_section() -> None:
    models = {
        value
        for value in vars(pack).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == pack.__name__
    }
    assert {model for model in models if model.model_fields} == set(SECTIONS)


@pytest.mark.parametrize("model", SECTIONS, ids=lambda model: model.__name__)
def test_every_key_is_described_in_its_section(model: type[BaseModel]) -> None:
    section = _section(*SECTIONS[model])
    named = set(re.findall(r"`(\w+)`", section))
    assert _keys(model) <= named


@pytest.mark.parametrize("model", [m for m in SECTIONS if m not in (pack.KeyValueOptions, pack.CsvOptions)], ids=str)
def test_no_table_describes_a_key_that_is_not_there(model: type[BaseModel]) -> None:
    cells = [row.split("|")[1] for row in _section(*SECTIONS[model]).splitlines() if row.startswith("| `")]
    described = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
    assert described <= _keys(model)


def test_the_pack_on_the_page_works(tmp_path: Path) -> None:
    text = PACKS.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "door.toml").write_text(text, "utf-8")
    library = loader.build((loader.read_pack(tmp_path / "door.toml"),))
    (example,) = tomllib.loads(text)["example"]
    (found,) = told(library.kernel.decode(example["line"].encode(), received_ms=REFERENCE_MS))
    assert (found.outcome, found.event) == (example["outcome"], example["event"])


def test_the_events_table_is_the_schemas() -> None:
    rows = event_table.rows()
    found = [line for line in EVENTS.splitlines() if line.startswith("|")][: len(rows)]
    assert found == rows, "`python -m tests.architecture.event_table` prints the table"


def test_every_outcome_is_described() -> None:
    section = EVENTS.partition("| outcome | meaning |")[2]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [str(o) for o in OUTCOMES]
