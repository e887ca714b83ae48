"""CISA's catalogue of known exploited vulnerabilities (KEV), as its published JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyberalarm.scanner.errors import FeedError
from cyberalarm.scanner.feeds.reading import digest, json_values
from cyberalarm.scanner.feeds.store import Writer, rebuild
from cyberalarm.scanner.feeds.vulnerability import Exploited, FeedInfo

if TYPE_CHECKING:
    from pathlib import Path

NAME = "kev"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    cve: Annotated[str, Field(alias="cveID", pattern="^CVE-[0-9]{4}-[0-9]{4,19}$")]
    added: Annotated[date, Field(alias="dateAdded")]
    due: Annotated[date, Field(alias="dueDate")]
    ransomware: Annotated[str, Field(alias="knownRansomwareCampaignUse")] = "Unknown"


class _Catalogue(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    released: Annotated[datetime, Field(alias="dateReleased")]
    count: int
    vulnerabilities: tuple[_Entry, ...]


def import_kev(store: Path, path: Path) -> int:
    """Read the catalogue into a new store and swap it in. Raises FeedError; then the store is as it was."""
    try:
        catalogue = _Catalogue.model_validate(next(iter(json_values(path))))
    except ValidationError as error:
        raise FeedError(
            f"{path}: not the KEV catalogue: {error.errors()[0]['msg']}.", next_step="Fetch it again."
        ) from error
    if catalogue.count != len(catalogue.vulnerabilities):
        raise FeedError(
            f"{path}: says {catalogue.count} entries and holds {len(catalogue.vulnerabilities)}.",
            next_step="Fetch it again.",
        )

    def change(writer: Writer) -> None:
        writer.clear_exploited()
        for entry in catalogue.vulnerabilities:
            writer.add_exploited(
                entry.cve,
                Exploited(entry.added.isoformat(), entry.due.isoformat(), entry.ransomware == "Known"),
            )
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        dated = catalogue.released.date().isoformat()
        writer.record(
            FeedInfo(NAME, dated, stamp, digest((path,)), catalogue.count, "CISA Known Exploited Vulnerabilities")
        )

    rebuild(store, change)
    return catalogue.count
