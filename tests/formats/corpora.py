"""Log lines written by others, where they are there: beside the repository, or where CYBERALARM_CORPORA says. Never copied."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPORA = Path(os.environ.get("CYBERALARM_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))

needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="no log lines by others here (CYBERALARM_CORPORA)")


def lines(folder: str) -> list[bytes]:
    return (CORPORA / folder / "messages.log").read_bytes().removesuffix(b"\n").split(b"\n")


def folders() -> list[str]:
    return sorted(str(path.parent.relative_to(CORPORA)) for path in CORPORA.rglob("messages.log"))


def expected(folder: str, file: str = "messages.expected.jsonl") -> Iterator[dict[str, Any]]:
    with (CORPORA / folder / file).open(encoding="utf-8") as rows:
        for row in rows:
            yield json.loads(row)
