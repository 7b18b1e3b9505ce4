"""How a refusal reads over HTTP: a status and a page that says what is wrong."""

from __future__ import annotations

from server import texts
from server.errors import Conflict, HeraldError, Invalid, NotFound, Refused, Unavailable
from status_site.documents import Document
from status_site.hosts import Misdirected
from status_site.reader import Reader
from status_site.render import render

STATUS_OF = {NotFound: 404, Invalid: 400, Refused: 403, Conflict: 409, Unavailable: 503, Misdirected: 421}


def status_of(error: HeraldError) -> int:
    return STATUS_OF.get(type(error), 500)


def headers_of(error: HeraldError) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(error.retry_after)))} if isinstance(error, Unavailable) else {}


def error_document(status: int, said: str, language: str = texts.ENGLISH) -> Document:
    """The page for a status. What only an operator would understand is not shown for a missing page."""
    reader = Reader(language, base="")
    known = status in (404, 503)
    heading = reader.text(f"error.{status if known else 'other'}")
    text = reader.text("error.404.text") if status == 404 else said
    body = render("error.html", reader, heading=heading, text=text)
    return Document(body, cache_control="no-store", language=language)
