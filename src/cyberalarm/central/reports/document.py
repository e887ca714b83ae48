"""A report as blocks that HTML and PDF both draw, so that their words and numbers cannot differ.

Every string is text, never markup. Strings that came from members' devices go through `words.shown` before
they get here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    type: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[str, ...]
    type: str = "bullets"


@dataclass(frozen=True, slots=True)
class Note:
    """A boxed statement. `tone` is "calm", "warn" or "quiet"."""

    tone: str
    title: str
    text: str
    type: str = "note"


@dataclass(frozen=True, slots=True)
class KeyFigure:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class KeyFigures:
    figures: tuple[KeyFigure, ...]
    type: str = "key_figures"


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbered things to do, the most important first."""

    steps: tuple[Step, ...]
    type: str = "steps"


@dataclass(frozen=True, slots=True)
class Column:
    """`width` is a share of the table; `align` is "left" or "right"."""

    title: str
    width: float = 1.0
    align: str = "left"


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    type: str = "table"


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture as SVG, with words that say the same, and the figures behind it as a table."""

    title: str
    svg: str
    alt: str
    table: Table
    # Where the table goes: "beside" or "below".
    layout: str = "below"
    type: str = "chart"


@dataclass(frozen=True, slots=True)
class Term:
    term: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Terms:
    terms: tuple[Term, ...]
    type: str = "terms"


Block = Paragraph | Bullets | Note | KeyFigures | Steps | Table | Chart | Terms


@dataclass(frozen=True, slots=True)
class Section:
    """`anchor` is the section's own name in the HTML file: lower case, no spaces."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part begins on a new page and says for whom it is."""

    title: str
    intro: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Document:
    service: str
    kind: str  # "Member Summary Threat Report"
    subject: str  # the member, or the place
    facts: tuple[tuple[str, str], ...]  # period, force, made, reference
    handling: str
    headline: str
    tone: str  # of the headline, as Note.tone
    standfirst: str
    owner: tuple[Section, ...]  # the first page
    parts: tuple[Part, ...] = field(default=())
