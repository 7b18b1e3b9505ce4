"""The demo's mailbox: every mail that the demo would have sent, so that a newcomer sees them. The demo only."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from html import escape
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from server import texts
from server.context import App
from server.errors import NotFound
from server.mail.outlets import read_folder
from status_site.documents import SECURITY_HEADERS
from status_site.reader import Reader
from status_site.render import render

PATH = "/demo/mail"
MAX_SHOWN = 100
# A mail brings its own inline styles, and nothing else of it may do anything.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@get(PATH)
async def mailbox(request: Request[Any, Any, State]) -> Response[bytes]:
    mails = await _mails(request)
    body = render("demo_mail.html", Reader(texts.ENGLISH, base=""), mails=mails, path=PATH)
    return Response(body, media_type=MediaType.HTML, headers=SECURITY_HEADERS | {"Cache-Control": "no-store"})


@get(PATH + "/{name:str}")
async def mail(request: Request[Any, Any, State], name: FromPath[str]) -> Response[bytes]:
    """One mail as HTML, or as it travels with `?raw`."""
    for known, message in await _mails(request):
        if known == name:
            headers = SECURITY_HEADERS | {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
            if "raw" in request.query_params:
                return Response(bytes(message), media_type=MediaType.TEXT, headers=headers)
            return Response(_html(message), media_type=MediaType.HTML, headers=headers)
    raise NotFound("there is no such mail")


async def _mails(request: Request[Any, Any, State]) -> list[tuple[str, EmailMessage]]:
    app: App = request.app.state.app
    if not app.keyring.is_demo or app.settings.mail_dir is None:
        raise NotFound("there is no such page")
    return await asyncio.to_thread(read_folder, app.settings.mail_dir, MAX_SHOWN)


def _html(message: EmailMessage) -> bytes:
    part = message.get_body(("html", "plain"))
    text = str(part.get_content()) if part is not None else ""
    is_html = part is not None and part.get_content_type() == "text/html"
    return (text if is_html else f"<pre>{escape(text)}</pre>").encode()
