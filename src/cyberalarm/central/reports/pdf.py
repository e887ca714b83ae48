"""A report as PDF/UA-1, set by typst. The only user of typst.

The page's look is `templates/report.typ`; what it says goes in as one JSON value and is never markup. Fonts
are those that typst carries and no others, so a report is the same on every machine. Nothing is fetched: the
template imports no package.

A character that those fonts lack would make typst refuse the file (PDF/UA asks for a glyph for each) or, in
scripts that join letters, panic. So only `PRINTABLE` goes in as it is; others become their code, such as
[U+4E2D]. The HTML has them all.
"""

from __future__ import annotations

import json
import threading
import unicodedata
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst

from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.central.reports.document import Document

# ISO 14289-1: a tagged file that assistive programs can read. typst refuses to write one that breaks it.
STANDARD: Final = "ua-1"

# Latin, Greek and Cyrillic letters, punctuation, currencies and signs: what Libertinus Serif holds of scripts
# that need no joining of letters. A test sets every one of them.
PRINTABLE: tuple[tuple[int, int], ...] = (
    (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x24F), (0x370, 0x377), (0x37A, 0x37F), (0x384, 0x38A),
    (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x482), (0x48A, 0x4FF), (0x1E00, 0x1EFF),
    (0x2010, 0x2027), (0x202F, 0x2040), (0x2044, 0x2052), (0x2054, 0x205E),
    (0x20A0, 0x20BF), (0x2122, 0x2122), (0x2190, 0x2199), (0x2200, 0x22FF),
)  # fmt: skip

Value = str | int | float | bool | None | dict[str, "Value"] | list["Value"] | tuple["Value", ...]

_compiling = threading.Lock()


class PdfError(CyberAlarmError):
    """A report could not be set as PDF."""

    code = "report-pdf"


@cache
def _compiler() -> typst.Compiler:
    """One compiler for the process: reading fonts takes longer than setting a report."""
    template = Path(str(files(__package__).joinpath("templates", "report.typ")))
    return typst.Compiler(template, root=template.parent, ignore_system_fonts=True)


def render_pdf(document: Document, made: datetime) -> bytes:
    """Set a report. `made` goes into the file: the same report gives the same bytes. Raises PdfError."""
    report = json.dumps(_printable(asdict(document)), ensure_ascii=False)
    with _compiling:
        try:
            pdf = _compiler().compile(
                format="pdf",
                sys_inputs={"report": report},
                pdf_standards=[STANDARD],
                timestamp=int(made.timestamp()),
            )
        except typst.TypstError as error:
            raise PdfError(
                f"The report could not be set as PDF: {error}.", next_step="Please report this as a defect."
            ) from error
    if not isinstance(pdf, bytes):
        raise PdfError("The report was set as more than one file.")
    return pdf


def printable(text: str) -> str:
    """A text as the PDF's fonts can show it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _known(ord(c)) else f"[U+{ord(c):04X}]" for c in unicodedata.normalize("NFC", text))


def _known(code: int) -> bool:
    return any(first <= code <= last for first, last in PRINTABLE)


def _printable(value: Value) -> Value:
    """The same for every text in a document but pictures, whose words are ours."""
    match value:
        case str():
            return printable(value)
        case dict():
            return {key: inner if key == "svg" else _printable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_printable(inner) for inner in value]
        case _:
            return value
