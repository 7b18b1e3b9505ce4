"""Markdown of incident updates to HTML that is safe wherever it is shown.

Two walls, because the text is untrusted: markdown-it renders without raw HTML, then nh3 lets only these elements
and addresses through. Headings and pictures stay text: an update stands inside a page that has its own.
"""

from __future__ import annotations

from functools import lru_cache
from html import unescape

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

ELEMENTS = {"p", "br", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr"}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"https", "http", "mailto"}

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable(["heading", "lheading", "image"])


@lru_cache(maxsize=4096)
def safe_html(markdown: str) -> Markup:
    """The text as HTML; links lead out without naming this page and without its blessing."""
    clean = nh3.clean(
        _markdown.render(markdown),
        tags=ELEMENTS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="nofollow noopener noreferrer ugc",
    )
    return Markup(clean.strip())  # noqa: S704 - nh3 made it safe


@lru_cache(maxsize=4096)
def plain(markdown: str) -> str:
    """The text without its marks, on one line: for previews and places that know no HTML."""
    words = nh3.clean(_markdown.render(markdown), tags=set())
    return " ".join(unescape(words).split())
