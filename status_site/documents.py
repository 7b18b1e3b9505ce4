"""What is sent: a document, packed once into every encoding with the headers of its answers."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import brotli

HTML = "text/html; charset=utf-8"
FRESH_FOR_SECONDS = "public, max-age=5, s-maxage=5, stale-while-revalidate=60, stale-if-error=86400"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": POLICY.format(ancestors="'none'"),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Document:
    body: bytes
    media_type: str = HTML
    cache_control: str = FRESH_FOR_SECONDS
    language: str | None = None
    cors: bool = False
    """Scripts of any other site may read it."""
    framed: bool = False
    """Any other site may show it in a frame."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Packed:
    """A document in each encoding, as ready as it can be. Immutable, shared by all requests."""

    answers: Mapping[str, tuple[list[Header], bytes]]
    """Encoding (`br`, `gzip` or `identity`) → headers with a strong ETag, and body."""
    etags: Mapping[str, bytes]
    size: int

    @staticmethod
    def of(document: Document) -> Packed:
        bodies = {"identity": document.body}
        if not document.media_type.startswith("image/png"):
            bodies["gzip"] = gzip.compress(document.body, 6, mtime=0)
            bodies["br"] = brotli.compress(document.body, quality=5)
        digest = hashlib.sha256(document.body).hexdigest()[:32]
        etags = {name: f'"{digest}-{name}"'.encode() for name in bodies}
        answers = {name: (_headers(document, name, len(body), etags[name]), body) for name, body in bodies.items()}
        return Packed(answers, etags, sum(len(body) for body in bodies.values()))

    def choose(self, accept_encoding: bytes) -> str:
        return next(name for name in accepted(accept_encoding) if name in self.answers)

    def is_known(self, if_none_match: bytes) -> bool:
        """RFC 9110 §13.1.2, by weak comparison; the reader may have it in any encoding."""
        known = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
        return b"*" in known or not known.isdisjoint(self.etags.values())


def _headers(document: Document, encoding: str, length: int, etag: bytes) -> list[Header]:
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": document.media_type,
        "Content-Length": str(length),
        "Cache-Control": document.cache_control,
        "ETag": etag.decode(),
        "Vary": "Accept-Encoding, Accept-Language" if document.language else "Accept-Encoding",
        **document.headers,
    }
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    if document.language:
        headers["Content-Language"] = document.language
    if document.cors:
        headers |= {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    if document.framed:
        headers["Content-Security-Policy"] = POLICY.format(ancestors="*")
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


@lru_cache(maxsize=256)
def accepted(accept_encoding: bytes) -> tuple[str, ...]:
    """The encodings of ours that the header allows (RFC 9110 §12.5.3): the shortest first, identity last."""
    allowed = {_coding(part) for part in accept_encoding.decode("latin-1").lower().split(",")}
    return (*(name for name in ("br", "gzip") if name in allowed), "identity")


def _coding(part: str) -> str | None:
    name, _, parameter = part.strip().partition(";")
    weight = parameter.strip().removeprefix("q=").strip()
    return None if weight and not weight.strip("0.") else name.strip()


def without_body(headers: Iterable[Header]) -> list[Header]:
    """The headers of a 304: those that describe the body are left out (RFC 9110 §15.4.5)."""
    return [
        header for header in headers if header[0] not in (b"content-length", b"content-type", b"content-encoding")
    ]
