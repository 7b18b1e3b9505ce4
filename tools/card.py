"""Documents by which clients and registries find the server: its card (SEP-2127) and the catalog of the host.

Neither lists tools: those depend on the key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from server.config import Settings
from tools import oauth

CARD_PATH = "/mcp/server-card"
CATALOG_PATH = "/.well-known/ai-catalog.json"
CARD_TYPE = "application/mcp-server-card+json"
CATALOG_TYPE = "application/ai-catalog+json"
CARD_SCHEMA = "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json"
REVISIONS = ("2025-11-25", "2026-07-28")


@dataclass(frozen=True)
class Document:
    media_type: str
    body: bytes

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def documents(settings: Settings) -> dict[str, Document]:
    """Each document by the path that it is served at."""
    found = {
        CARD_PATH: _document(CARD_TYPE, server_card(settings)),
        CATALOG_PATH: _document(CATALOG_TYPE, catalog(settings)),
    }
    if settings.oauth_issuer:
        # RFC 9728 puts the path of the resource behind; clients that do not know it look without.
        metadata = _document("application/json", oauth.metadata(settings))
        found |= {oauth.METADATA_PATH: metadata, f"{oauth.METADATA_PATH}/mcp": metadata}
    return found


def server_card(settings: Settings) -> dict[str, Any]:
    """Who this is and how to connect."""
    return {
        "$schema": CARD_SCHEMA,
        "name": f"{'.'.join(reversed(_host(settings).split('.')))}/herald",
        "version": version("herald"),
        "title": "Herald",
        "description": "Known incidents for agents that talk to customers, and tools to post them.",
        "websiteUrl": settings.base_url,
        "remotes": [
            {
                "type": "streamable-http",
                "url": f"{settings.base_url}/mcp",
                "supportedProtocolVersions": list(REVISIONS),
                "headers": [
                    {
                        "name": "Authorization",
                        "description": "An API key of a tenant",
                        "isRequired": not settings.oauth_issuer,  # or OAuth brings a token
                        "isSecret": True,
                        "value": "Bearer {key}",
                        "variables": {"key": {"description": "The key", "isRequired": True, "isSecret": True}},
                    }
                ],
            }
        ],
    }


def catalog(settings: Settings) -> dict[str, Any]:
    """What there is for agents on this host."""
    return {
        "specVersion": "1.0",
        "entries": [
            {
                "identifier": f"urn:air:{_host(settings)}:mcp:herald",
                "type": CARD_TYPE,
                "url": f"{settings.base_url}{CARD_PATH}",
            }
        ],
    }


def _host(settings: Settings) -> str:
    return urlsplit(settings.base_url).hostname or "localhost"


def _document(media_type: str, content: dict[str, Any]) -> Document:
    return Document(media_type, json.dumps(content, ensure_ascii=False).encode())
