"""NVD 2.0 JSON: the API's pages, the yearly feeds, and files of the same shape with one record a line.

Uses data in the shape of the NVD API; this product is neither endorsed nor certified by the NVD. A record
that cannot be read is counted and left out, never guessed at; a file in which none can be read is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyberalarm.scanner.configurations import Configuration, Criterion, Node
from cyberalarm.scanner.cpe import parse_cpe
from cyberalarm.scanner.errors import FeedError
from cyberalarm.scanner.evidence import trimmed
from cyberalarm.scanner.feeds.reading import digest, feed_files, json_values
from cyberalarm.scanner.feeds.store import Writer, rebuild
from cyberalarm.scanner.feeds.vulnerability import FeedInfo, Vulnerability, score_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.ASCII)
_LONGEST_TITLE = 300
_ENDINGS = (".json", ".json.gz", ".jsonl", ".jsonl.gz")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Match(_Shape):
    criteria: Annotated[str, Field(max_length=1024)]
    vulnerable: bool
    versionStartIncluding: str | None = None  # noqa: N815 - NVD's names
    versionStartExcluding: str | None = None  # noqa: N815
    versionEndIncluding: str | None = None  # noqa: N815
    versionEndExcluding: str | None = None  # noqa: N815


class _NodeShape(_Shape):
    operator: Literal["AND", "OR"] = "OR"
    negate: bool = False
    cpeMatch: tuple[_Match, ...] = ()  # noqa: N815


class _ConfigurationShape(_Shape):
    operator: Literal["AND", "OR"] = "OR"
    negate: bool = False
    nodes: tuple[_NodeShape, ...] = ()


class _Text(_Shape):
    lang: str
    value: str


class _CvssData(_Shape):
    vectorString: str = ""  # noqa: N815


class _Metric(_Shape):
    type: str = ""
    cvssData: _CvssData = _CvssData()  # noqa: N815


class _Metrics(_Shape):
    cvssMetricV40: tuple[_Metric, ...] = ()  # noqa: N815
    cvssMetricV31: tuple[_Metric, ...] = ()  # noqa: N815
    cvssMetricV30: tuple[_Metric, ...] = ()  # noqa: N815
    cvssMetricV2: tuple[_Metric, ...] = ()  # noqa: N815


class _Tag(_Shape):
    tags: tuple[str, ...] = ()


class _Cve(_Shape):
    id: str = ""
    vulnStatus: str = ""  # noqa: N815
    published: str = ""
    descriptions: tuple[_Text, ...] = ()
    metrics: _Metrics = _Metrics()
    cveTags: tuple[_Tag, ...] = ()  # noqa: N815
    configurations: tuple[_ConfigurationShape, ...] = ()


class _Annotation(_Shape):
    """What the public override set wraps around a record."""

    cve_id: str
    description: str = ""
    published: str = ""


class _Record(_Shape):
    cve: _Cve
    annotation: _Annotation | None = Field(default=None, alias="_annotation")


class _Page(_Shape):
    vulnerabilities: tuple[object, ...]


@dataclass(slots=True)
class ImportCount:
    """What became of the records of one import."""

    files: int = 0
    kept: int = 0
    without_ranges: int = 0
    unreadable: int = 0


def read_record(value: object) -> Vulnerability | None:
    """One record; None where it names no product. Raises ValueError where it cannot be read."""
    record = _Record.model_validate(value)
    note = record.annotation
    cve = record.cve
    name = (cve.id or (note.cve_id if note else "")).upper()
    if not _CVE.fullmatch(name):
        raise ValueError("no CVE name")
    configurations = tuple(_configuration(c) for c in cve.configurations if any(n.cpeMatch for n in c.nodes))
    if not configurations:
        return None
    words = next((d.value for d in cve.descriptions if d.lang.startswith("en")), note.description if note else "")
    return Vulnerability(
        cve=name,
        source="nvd-overrides" if note else "nvd",
        title=trimmed(words, _LONGEST_TITLE),
        status=_status(cve),
        published=(cve.published or (note.published if note else ""))[:10],
        vector=_vector(cve.metrics),
        fixed_in="",
        advice="",
        condition="",
        configurations=configurations,
    )


def _configuration(shape: _ConfigurationShape) -> Configuration:
    nodes = tuple(
        Node(n.operator == "AND", n.negate, tuple(_criterion(m) for m in n.cpeMatch)) for n in shape.nodes if n.cpeMatch
    )
    return Configuration(shape.operator == "AND", shape.negate, nodes)


def _criterion(match: _Match) -> Criterion:
    return Criterion(
        cpe=parse_cpe(match.criteria),
        vulnerable=match.vulnerable,
        start=match.versionStartIncluding or match.versionStartExcluding,
        start_open=match.versionStartIncluding is None and match.versionStartExcluding is not None,
        end=match.versionEndIncluding or match.versionEndExcluding,
        end_open=match.versionEndIncluding is None and match.versionEndExcluding is not None,
    )


def _status(cve: _Cve) -> str:
    tags = {tag for group in cve.cveTags for tag in group.tags}
    if cve.vulnStatus.lower() == "rejected":
        return "rejected"
    if "disputed" in tags:
        return "disputed"
    return "unsupported" if "unsupported-when-assigned" in tags else ""


def _vector(metrics: _Metrics) -> str:
    """The newest CVSS version that can be scored; NVD's own ("Primary") first within it."""
    for group in (metrics.cvssMetricV40, metrics.cvssMetricV31, metrics.cvssMetricV30, metrics.cvssMetricV2):
        for metric in sorted(group, key=lambda m: m.type != "Primary"):
            vector = metric.cvssData.vectorString
            if score_of(vector).base is not None:
                return vector
    return ""


def _records(path: Path) -> Iterator[object]:
    for value in json_values(path):
        try:
            yield from _Page.model_validate(value).vulnerabilities
        except ValidationError:
            yield value


def import_nvd(store: Path, paths: tuple[Path, ...], progress: Callable[[str], None] = lambda _: None) -> ImportCount:
    """Read NVD-shaped files into a new store and swap it in.

    Raises FeedError; then the store is as it was.
    """
    files = feed_files(paths, _ENDINGS)
    count = ImportCount(files=len(files))

    def change(writer: Writer) -> None:
        rows: dict[str, int] = {}
        newest: dict[str, str] = {}
        for path in files:
            progress(path.name)
            for value in _records(path):
                _take(writer, value, count, rows, newest)
        if not rows:
            raise FeedError("None of the records could be read.", next_step="Give NVD 2.0 JSON files.")
        stamp, total = datetime.now(UTC).isoformat(timespec="seconds"), digest(files)
        for source, kept in rows.items():
            writer.record(
                FeedInfo(
                    source,
                    newest[source] or stamp[:10],
                    stamp,
                    total,
                    kept,
                    "uses data in the shape of the NVD API",
                )
            )

    rebuild(store, change)
    return count


def _take(writer: Writer, value: object, count: ImportCount, rows: dict[str, int], newest: dict[str, str]) -> None:
    try:
        item = read_record(value)
    except ValueError:  # pydantic's ValidationError is one
        count.unreadable += 1
        return
    if item is None:
        count.without_ranges += 1
        return
    if item.source not in rows:
        writer.clear(item.source)
        rows[item.source], newest[item.source] = 0, ""
    rows[item.source] += 1
    newest[item.source] = max(newest[item.source], item.published)
    count.kept += 1
    writer.add(item)
