"""How clients find Herald: the server card, the catalog of the host, and the configuration files that it ships."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from server.demo import AGENT_KEY, OPERATOR_KEY
from tests.tools.conftest import Endpoint

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_name("server-card.schema.json")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of database."""
    return sqlite_url


async def test_the_catalog_leads_to_a_card_that_keeps_to_its_schema(endpoint: Endpoint) -> None:
    catalog = await endpoint.http.get(f"{endpoint.url}/.well-known/ai-catalog.json")
    (entry,) = catalog.json()["entries"]
    card = await endpoint.http.get(f"{endpoint.url}{entry['url'].removeprefix('http://127.0.0.1:8000')}")

    assert catalog.headers["content-type"] == "application/ai-catalog+json"
    assert card.headers["content-type"] == entry["type"] == "application/mcp-server-card+json"
    assert card.headers["access-control-allow-origin"] == "*"
    jsonschema.validate(card.json(), json.loads(SCHEMA.read_text()))
    assert card.json()["remotes"][0]["supportedProtocolVersions"] == ["2025-11-25", "2026-07-28"]
    assert "status_check" not in card.text  # which tools there are depends on the key


async def test_a_card_that_is_known_already_is_not_sent_again(endpoint: Endpoint) -> None:
    url = f"{endpoint.url}/mcp/server-card"
    first = await endpoint.http.get(url)

    again = await endpoint.http.get(url, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_every_shipped_file_is_of_this_version_and_of_the_right_form() -> None:
    assert read("server.json")["version"] == read("manifest.json")["version"] == version("herald")
    assert len(read("server.json")["description"]) <= 100
    assert read(".vscode/mcp.json")["servers"]["herald"]["type"] == "http"
    for file in ("mcp.json", ".mcp.json", ".cursor/mcp.json"):
        for entry in read(file)["mcpServers"].values():
            assert entry["type"] in ("http", "stdio"), file


def test_no_shipped_file_carries_a_key_other_than_the_demos() -> None:
    for file in ("mcp.json", ".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json", "server.json", "manifest.json"):
        assert set(re.findall(r"herald_\w{20,}", (ROOT / file).read_text())) <= {AGENT_KEY, OPERATOR_KEY}


def read(file: str) -> Any:
    return json.loads((ROOT / file).read_text())
