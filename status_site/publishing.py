"""Serves every public page from memory, ahead of the framework: bytes made once, when what they show has changed.

A page is made again when its tenant published something or when a new minute began (as-of times, bars and outages
that go on change with the clock). Litestar's own response cache is not used: it ignores the Host header and would
show one tenant's page to another. While the database is away the last good bytes are served.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from server import texts
from server.context import App
from server.errors import HeraldError, Unavailable
from server.pages import page_of
from server.snapshots import Snapshot
from status_site import routes
from status_site.assets import PREFIX, packed_asset
from status_site.documents import Packed, without_body
from status_site.hosts import BASE, Hosting
from status_site.reader import Reader
from status_site.refusals import error_document, headers_of, status_of
from status_site.view import View

MAX_BYTES = 256 * 1024 * 1024
AGAIN_AFTER_FAILURE = timedelta(seconds=2)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """What makes two answers differ: whose page it is, where it stands, and who reads it."""

    tenant: str
    base: str
    path: str
    language: str
    chose: bool


@dataclass(frozen=True)
class Entry:
    packed: Packed
    snapshot: Snapshot
    until: datetime


class Published:
    """The ASGI application of the site: published pages from memory, everything else from the framework."""

    def __init__(self, app: App, inner: ASGIApp, max_bytes: int = MAX_BYTES) -> None:
        self._app = app
        self._inner = inner
        self._hosting = Hosting(app)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._making: dict[Key, asyncio.Task[Entry]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        try:
            scope = await self._hosting.at_home(scope)
        except HeraldError as error:
            await _refuse(error, scope, send)
            return
        if scope["method"] not in ("GET", "HEAD") or not await self._serve(scope, send):
            await self._inner(scope, receive, send)

    async def _serve(self, scope: Scope, send: Send) -> bool:
        """Answer a static file or a published page; whether it was one."""
        path = scope["path"]
        if path.startswith("/s/"):
            return await self._serve_page(scope, send)
        packed = None
        if path.startswith(PREFIX):
            packed = packed_asset(path.removeprefix(PREFIX), scope["query_string"].decode("latin-1")[:64])
        if packed is not None:
            await _send(packed, scope, send)
        return packed is not None

    async def _serve_page(self, scope: Scope, send: Send) -> bool:
        """Answer if the path is a published one; whether it was."""
        slug, _, rest = scope["path"].removeprefix("/s/").partition("/")
        path = f"/{rest.rstrip('/')}" if rest else ""
        found = routes.find(path)
        if found is None:
            return False
        language, chose = self._language(slug, scope) if found[0].in_languages else (texts.ENGLISH, False)
        try:
            packed = await self._packed(Key(slug, scope.get(BASE, f"/s/{slug}"), path, language, chose))
        except HeraldError as error:
            await _refuse(error, scope, send, language)
        else:
            await _send(packed, scope, send)
        return True

    def _language(self, slug: str, scope: Scope) -> tuple[str, bool]:
        """The reader's language, and whether they chose it in the address."""
        query = scope["query_string"]
        if b"lang=" in query:
            chosen = parse_qs(query.decode("latin-1")).get("lang", [""])[0]
            if chosen in texts.languages():
                return chosen, True
        snapshot = self._app.snapshots.kept_by_slug(slug)
        default = snapshot.tenant.settings.default_language if snapshot else texts.ENGLISH
        accepted = _header(scope, b"accept-language")
        return texts.choose(accepted.decode("latin-1"), default), False

    async def _packed(self, key: Key) -> Packed:
        """The page's bytes as of now. Raises NotFound, or Unavailable if it was never made."""
        entry = self._entries.get(key)
        if entry is None or not self._is_current(entry, key):
            entry = await self._make_once(key)
        self._entries.move_to_end(key)
        return entry.packed

    def _is_current(self, entry: Entry, key: Key) -> bool:
        return entry.snapshot is self._app.snapshots.kept_by_slug(key.tenant) and self._app.clock() < entry.until

    async def _make_once(self, key: Key) -> Entry:
        """Make it, however many ask at the same time."""
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make_or_keep(key))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _make_or_keep(self, key: Key) -> Entry:
        """A new entry, or the last good one for a little longer if a part that is needed is away."""
        last = self._entries.get(key)
        try:
            entry = await self._make(key)
        except Unavailable as error:
            if last is None:
                raise
            log.warning("%s%s is served as it last was: %s", key.base, key.path, error)
            entry = Entry(last.packed, last.snapshot, self._app.clock() + AGAIN_AFTER_FAILURE)
        self._keep(key, entry)
        return entry

    async def _make(self, key: Key) -> Entry:
        app = self._app
        snapshot = await app.snapshots.by_slug(key.tenant)
        now = app.clock().replace(second=0, microsecond=0)
        true_at = app.snapshots.true_at(snapshot).replace(second=0, microsecond=0)
        settings = snapshot.tenant.settings
        reader = Reader(key.language, key.base, settings.default_language, key.chose, settings.time_zone)
        page = await asyncio.to_thread(page_of, snapshot, now, true_at)
        document = await routes.make(View(app, snapshot, page, reader, key.path))
        packed = await asyncio.to_thread(Packed.of, document)
        return Entry(packed, snapshot, now + timedelta(minutes=1))

    def _keep(self, key: Key, entry: Entry) -> None:
        replaced = self._entries.pop(key, None)
        self._bytes += entry.packed.size - (replaced.packed.size if replaced else 0)
        self._entries[key] = entry
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.packed.size


async def _refuse(error: HeraldError, scope: Scope, send: Send, language: str = texts.ENGLISH) -> None:
    packed = Packed.of(error_document(status_of(error), str(error), language))
    extra = [(name.lower().encode(), value.encode()) for name, value in headers_of(error).items()]
    await _send(packed, scope, send, status_of(error), extra)


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


async def _send(
    packed: Packed, scope: Scope, send: Send, status: int = 200, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    encoding = match = b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            encoding = value
        elif name == b"if-none-match":
            match = value
    headers, body = packed.answers[packed.choose(encoding)]
    if status == 200 and match and packed.is_known(match):
        status, headers, body = 304, without_body(headers), b""
    await send({"type": "http.response.start", "status": status, "headers": headers + extra if extra else headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
