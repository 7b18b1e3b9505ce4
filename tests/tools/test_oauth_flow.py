"""A client that has only the URL: it finds the authorization server, registers, is let in and calls a tool.

The authorization server is the SDK's own, with PKCE, registration and resource indicators; the client too.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AuthorizationCode, AuthorizationParams, construct_redirect_uri
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl, ConfigDict, TypeAdapter
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from server.config import Settings
from server.context import App, TenantContext
from server.incidents import IncidentDraft, create_incident
from tests.served import free_port
from tests.tools.conftest import answer, served, serving
from tests.tools.issuer import Issuer

SCOPES = ["herald:agent", "herald:operator", "herald:admin"]
EXACT = TypeAdapter(
    AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True)
)  # an issuer is compared as a string


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of database."""
    return sqlite_url


class Provider:
    """What the SDK's authorization server asks of its operator. Everybody is ada, of acme, and an agent."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._clients: dict[str, OAuthClientInformationFull] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        self.audiences: list[str | None] = []

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self._clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id is not None
        self._clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        assert client.client_id is not None
        assert params.scopes == SCOPES
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            scopes=["herald:agent"],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self._codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        code = self._codes.get(authorization_code)
        return code if code is not None and code.client_id == client.client_id else None

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self._codes[authorization_code.code]
        self.audiences.append(authorization_code.resource)
        scope = " ".join(authorization_code.scopes)
        token = self._issuer.token(aud=authorization_code.resource, scope=scope, client_id=client.client_id)
        return OAuthToken(access_token=token, token_type="Bearer", expires_in=300, scope=scope)


class AuthorizationServer:
    """The SDK's endpoints, and beside them the keys, which the SDK's server has no use for."""

    def __init__(self, issuer: Issuer, provider: Provider) -> None:
        options = ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES)
        url = EXACT.validate_python(issuer.url)
        self._endpoints = Starlette(routes=create_auth_routes(provider, url, client_registration_options=options))  # type: ignore[arg-type]
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._issuer if scope["path"] == "/keys" else self._endpoints)(scope, receive, send)


class Browser:
    """Follows the client to the authorization server and brings back what that sends it away with."""

    def __init__(self) -> None:
        self._came_back: dict[str, list[str]] = {}

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            response = await http.get(url)
        assert response.status_code == 302, response.text
        self._came_back = parse_qs(urlsplit(response.headers["location"]).query)

    async def result(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**{name: values[0] for name, values in self._came_back.items()})


class Memory:
    """Where the client keeps what it was given."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@pytest.fixture
async def issuer() -> Issuer:
    issuer = Issuer()
    issuer.settle(f"http://127.0.0.1:{free_port()}")
    return issuer


@pytest.fixture
async def provider(issuer: Issuer) -> AsyncIterator[Provider]:
    provider = Provider(issuer)
    port = urlsplit(issuer.url).port or 0
    async with served(AuthorizationServer(issuer, provider), port, lifespan="off"):
        yield provider


async def test_a_client_with_only_the_url_is_let_in_as_who_logged_in(
    app: App, acme: TenantContext, issuer: Issuer, provider: Provider
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="API answers 500 to every request"))
    port = free_port()
    settings = Settings(port=port, oauth_issuer=issuer.url, oauth_jwks_url=f"{issuer.url}/keys")
    browser = Browser()
    async with serving(replace(app, settings=settings), port) as url:
        login = OAuthClientProvider(
            f"{url}/mcp",
            OAuthClientMetadata(redirect_uris=[AnyUrl("http://127.0.0.1:9/back")], client_name="test"),
            Memory(),
            browser.open,
            browser.result,
        )
        async with (
            httpx2.AsyncClient(auth=login, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            read = await answer(client, "incident_get", incident_id=incident.id)
            with pytest.raises(MCPError, match="Unknown tool: incident_create"):
                await client.call_tool("incident_create", {"title": "Mine"})

    assert read["title"] == "API answers 500 to every request"
    assert provider.audiences == [f"{url}/mcp"]
