"""Real lines by others, judged by oracles that know nothing of packs: a fall in what is recognised or read fails here."""

from __future__ import annotations

import pytest

from tests.formats.corpora import needs_corpora
from tests.formats.judgements import Folder, folders, measure

pytestmark = [pytest.mark.corpora, needs_corpora]


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_a_folder_s_lines_are_known_and_read_rightly(folder: Folder) -> None:
    score = measure(folder)
    assert score.lines or folder.strangers
    assert not score.wrong
