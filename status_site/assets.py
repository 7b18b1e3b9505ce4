"""Our static files: read once, named with a hash of their content, so that browsers keep them for good."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from mimetypes import guess_type

from status_site.documents import Document, Packed

PREFIX = "/static/"
FOR_GOOD = "public, max-age=31536000, immutable"
FOR_A_WHILE = "public, max-age=300"  # for an address without the hash: someone typed it, or embeds it


def asset(name: str) -> str:
    """The address of a static file at its present content. Raises KeyError for a file there is not."""
    return f"{PREFIX}{name}?v={_hash(_contents()[name])}"


@cache
def packed_asset(name: str, version: str) -> Packed | None:
    """The file ready to send, or None if there is no such file."""
    content = _contents().get(name)
    if content is None:
        return None
    kind = guess_type(name)[0] or "application/octet-stream"
    cache_control = FOR_GOOD if version == f"v={_hash(content)}" else FOR_A_WHILE
    return Packed.of(Document(content, f"{kind}; charset=utf-8", cache_control, cors=True))


@cache
def _contents() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files("status_site").joinpath("static").iterdir()}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
