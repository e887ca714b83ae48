"""A consent written to disk, as every scan wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.scanner.consent import Consent, save_consent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def write_consent(tmp_path: Path) -> Callable[[Consent], Path]:
    def write(consent: Consent) -> Path:
        path = tmp_path / "consent.json"
        save_consent(consent, path)
        return path

    return write
