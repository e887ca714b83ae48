"""A report as one HTML file that needs nothing else: no script, no outside resource, its own style and
pictures inside.

Autoescape is on for everything; only the style sheet and our own charts go in as they are.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

if TYPE_CHECKING:
    from cyberalarm.central.reports.document import Chart, Document


def render_html(document: Document) -> str:
    """Give the whole file's text."""
    return _template().render(document=document)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("cyberalarm.central.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["drawn"] = _drawn
    style = files(__package__).joinpath("templates", "report.css").read_text("utf-8")
    # Our own file, part of the program.
    environment.globals["style"] = Markup(style)  # noqa: S704
    return environment.get_template("report.html")


def _drawn(chart: Chart) -> Markup:
    """A chart's SVG as it is: made by `charts`, which escapes what it writes."""
    return Markup(chart.svg)  # noqa: S704
