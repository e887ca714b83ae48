"""`{% chrome "header" %}`: a piece of the site's layout (Jinja2) inside a library's page (Django)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from django.template.context import RequestContext

register = template.Library()


@register.simple_tag(takes_context=True)
def chrome(context: RequestContext, piece: str) -> SafeString:
    if piece not in ("head", "header", "footer"):
        raise template.TemplateSyntaxError(f"there is no piece of layout called {piece!r}")
    text = render_to_string(f"site/chrome/{piece}.html", {}, request=context.get("request"), using="jinja2")
    return mark_safe(text)  # noqa: S308 - Jinja2 has escaped it
