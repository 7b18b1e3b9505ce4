"""What a page is made from: one tenant at one moment, as one reader sees it at one address."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.context import App
from server.links import page_url
from server.pages import Page
from server.snapshots import Snapshot
from status_site.branding import Look, look_of
from status_site.documents import Document
from status_site.opengraph import card_path
from status_site.reader import Reader
from status_site.render import render


@dataclass(frozen=True)
class View:
    app: App
    snapshot: Snapshot
    page: Page
    reader: Reader
    path: str
    """Below the tenant's base: empty for the status page, else `/…`."""

    @property
    def home(self) -> str:
        """The page's public address, for those who read it elsewhere."""
        return page_url(self.app.settings, self.snapshot.tenant)

    @property
    def look(self) -> Look:
        return look_of(self.snapshot, self.reader.base)

    async def html(self, template: str, **values: Any) -> Document:
        """The template in the reader's language. It is filled in a thread: other requests go on meanwhile."""
        body = await asyncio.to_thread(self._filled, template, values)
        return Document(body, language=self.reader.language)

    def _filled(self, template: str, values: Mapping[str, Any]) -> bytes:
        own = {"page": self.page, "home": self.home, "path": self.path, "look": self.look, "card": card_path(self)}
        return render(template, self.reader, **own, **values)
