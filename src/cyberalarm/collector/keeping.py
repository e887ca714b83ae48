"""What a collector keeps for itself on its machine: copies of what was sent, and the journal of what is being gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector import journal, sent
from cyberalarm.collector.identity import local_key
from cyberalarm.collector.journal import Journal
from cyberalarm.collector.sent import Copies

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig


@dataclass(frozen=True, slots=True)
class Keeping:
    copies: Copies
    journal: Journal

    @classmethod
    def opened(cls, config: CollectorConfig) -> Keeping:
        """For whoever holds the data folder. Raises ConfigurationError, OSError."""
        key = local_key(config.data)
        copies = Copies(config.data / sent.FOLDER, key, config.sent_bytes)
        copies.open()
        return cls(copies, Journal(config.data / journal.FOLDER, key))
