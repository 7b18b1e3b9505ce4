"""Access tokens at the endpoint: which are let in, as whom, and what each of the others is told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from server.config import Settings
from server.context import App
from server.errors import Unavailable
from server.incidents import IncidentDraft, create_incident
from server.models import Scope
from tests.conftest import Clock
from tests.tools.conftest import Endpoint, answer, last_message, serving
from tests.tools.issuer import AUDIENCE, Issuer, issuer_served
from tools.oauth_keys import metadata_urls

LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
PUBLIC_URL = "https://herald.test"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of database."""
    return sqlite_url


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuer_served() as issuer:
        yield issuer


@pytest.fixture
async def door(app: App, endpoint: Endpoint, issuer: Issuer) -> AsyncIterator[Endpoint]:
    """The server, where tokens of the issuer are accepted."""
    async with serving(trusting(app, issuer)) as url:
        yield replace(endpoint, url=url)


def trusting(app: App, issuer: Issuer, **settings: Any) -> App:
    return replace(app, settings=Settings(public_url=PUBLIC_URL, oauth_issuer=issuer.url, **settings))


async def test_a_token_lets_in_with_its_scopes_as_its_subject_through_its_client(
    door: Endpoint, issuer: Issuer
) -> None:
    agents = await tools(door, issuer.token())
    operators = await tools(door, issuer.token(scope="herald:operator"))
    both = await tools(door, issuer.token(scope=None, scp=["herald:agent", "herald:operator"]))

    assert "status_check" in agents
    assert "incident_create" not in agents
    assert "status_check" not in operators
    assert "incident_create" in operators
    assert both == agents | operators


async def test_an_api_key_works_beside_it(door: Endpoint) -> None:
    assert "status_check" in await tools(door, await door.key(Scope.AGENT))


async def test_a_token_reads_its_own_tenant_and_no_other(door: Endpoint, issuer: Issuer) -> None:
    ours = await create_incident(door.tenant, IncidentDraft(title="Ours"))
    theirs = await create_incident(door.stranger, IncidentDraft(title="Theirs"))
    scope = "herald:operator"

    async with (
        door.client(issuer.token(scope=scope)) as acme,
        door.client(issuer.token(scope=scope, tenant="globex")) as globex,
    ):
        seen = [await answer(client, "incident_list") for client in (acme, globex)]
        strange = await acme.call_tool("incident_get", {"incident_id": theirs.id})

    assert [[incident["id"] for incident in told["incidents"]] for told in seen] == [[ours.id], [theirs.id]]
    assert strange.is_error


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": int(time.time()) - 120}, "Signature has expired"),
        ({"exp": None}, 'missing the "exp" claim'),
        ({"nbf": int(time.time()) + 86_400}, "not yet valid (nbf)"),
        ({"aud": "https://other.test/mcp"}, "Audience doesn't match"),
        ({"aud": ["desk", "https://herald.test/mcp/"]}, "Audience doesn't match"),
        ({"aud": None}, 'missing the "aud" claim'),
        ({"iss": "https://evil.test"}, "Invalid issuer"),
        ({"iss": None}, 'missing the "iss" claim'),
        ({"sub": None}, 'missing the "sub" claim'),
        ({"sub": "ada\nroot"}, "cannot be kept: write it on one line"),
        ({"typ": "logout+jwt"}, "no access token, but 'logout+jwt'"),
        ({"tenant": None}, "names no tenant"),
        ({"tenant": ["acme"]}, "names no tenant"),
        ({"tenant": "nobody"}, "is not here"),
    ],
)
async def test_a_token_that_is_not_for_us_is_turned_away_with_the_reason_and_the_way_to_a_good_one(
    door: Endpoint, issuer: Issuer, changed: dict[str, Any], reason: str
) -> None:
    response = await door.post(LIST, issuer.token(**changed))

    told = response.headers["www-authenticate"]
    assert response.status_code == 401
    assert reason in response.text
    assert told.startswith('Bearer error="invalid_token", error_description="')
    assert told.endswith(f'resource_metadata="{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp"')


async def test_a_token_that_ended_seconds_ago_by_another_machines_clock_is_accepted(
    door: Endpoint, issuer: Issuer
) -> None:
    assert "status_check" in await tools(door, issuer.token(exp=int(time.time()) - 10))


async def test_only_the_published_pair_of_keys_signs(door: Endpoint, issuer: Issuer) -> None:
    public = str(issuer.public["first"]["x"]).encode()
    headers = {"kid": "first", "typ": "at+jwt"}
    stranger = Issuer()
    stranger.settle(issuer.url)
    whole = issuer.token()
    forged = [
        jwt.encode(issuer.claims(), public, "HS256", headers),
        jwt.encode(issuer.claims(), None, "none", headers),  # type: ignore[arg-type]
        stranger.token(),
        f"{whole[:-8]}AAAAAAAA",
        with_claims(whole, tenant="globex"),
    ]

    answers = [await door.post(LIST, token) for token in forged]

    assert [response.status_code for response in answers] == [401] * len(forged)


@pytest.mark.parametrize("token", ["a.b.c", "..", "eyJ.e30.", f"{'x' * 9000}.y.z"])
async def test_what_only_looks_like_a_token_is_turned_away(door: Endpoint, token: str) -> None:
    assert (await door.post(LIST, token)).status_code == 401


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # of the signer
async def test_a_short_rsa_key_signs_nothing(door: Endpoint, issuer: Issuer) -> None:
    issuer.use_rsa(1024)
    weak = await door.post(LIST, issuer.token())

    assert (weak.status_code, "2048" in weak.text) == (401, True)


async def test_a_token_without_a_scope_of_ours_is_told_which_there_are(door: Endpoint, issuer: Issuer) -> None:
    response = await door.post(LIST, issuer.token(scope="openid agent herald:"))

    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert 'scope="herald:agent herald:operator herald:admin"' in response.headers["www-authenticate"]


async def test_without_a_credential_only_the_way_to_one_is_told(door: Endpoint) -> None:
    response = await door.post(LIST)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp"'
    )


@pytest.mark.parametrize("path", ["/mcp", ""])
async def test_clients_find_out_where_to_get_a_token(door: Endpoint, issuer: Issuer, path: str) -> None:
    response = await door.http.get(f"{door.url}/.well-known/oauth-protected-resource{path}")

    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json() == {
        "resource": AUDIENCE,
        "resource_name": "Herald",
        "authorization_servers": [issuer.url],
        "scopes_supported": ["herald:agent", "herald:operator", "herald:admin"],
        "bearer_methods_supported": ["header"],
    }


async def test_without_an_issuer_nothing_is_said_of_oauth_and_no_token_is_good(
    endpoint: Endpoint, issuer: Issuer
) -> None:
    metadata = await endpoint.http.get(f"{endpoint.url}/.well-known/oauth-protected-resource/mcp")
    token = await endpoint.post(LIST, issuer.token())

    assert (metadata.status_code, token.status_code) == (404, 401)
    assert issuer.asked == []


async def test_claim_scopes_and_audience_may_have_other_names(
    app: App, endpoint: Endpoint, issuer: Issuer
) -> None:
    renamed = trusting(
        app,
        issuer,
        oauth_audience="api://herald",
        oauth_scope_prefix="",
        oauth_tenant_claim="https://acme.test/org",
    )
    fixed = trusting(app, issuer, oauth_tenant="globex")
    async with serving(renamed) as by_claim, serving(fixed) as by_setting:
        token = issuer.token(aud="api://herald", scope="agent", tenant=None, **{"https://acme.test/org": "acme"})
        seen = await tools(replace(endpoint, url=by_claim), token)
        async with replace(endpoint, url=by_setting).client(issuer.token(scope="herald:agent")) as client:
            resources = await client.list_resources()

    assert "status_check" in seen
    assert [str(resource.uri) for resource in resources.resources] == ["status://globex/summary"]


async def test_a_new_key_is_found_and_one_that_is_no_longer_published_signs_nothing(
    door: Endpoint, issuer: Issuer, clock: Clock
) -> None:
    old = issuer.token()
    before = await door.post(LIST, old)
    issuer.rotate("second")
    clock.advance(seconds=31)

    new = await door.post(LIST, issuer.token())
    after = await door.post(LIST, old)

    assert (before.status_code, new.status_code, after.status_code) == (200, 200, 401)


async def test_a_withdrawn_key_is_noticed_within_ten_minutes(door: Endpoint, issuer: Issuer, clock: Clock) -> None:
    token = issuer.token()
    before = await door.post(LIST, token)
    issuer.rotate("second")
    clock.advance(minutes=11)

    assert (before.status_code, (await door.post(LIST, token)).status_code) == (200, 401)


async def test_tokens_with_unknown_keys_do_not_make_us_flood_the_issuer(
    door: Endpoint, issuer: Issuer, clock: Clock
) -> None:
    good = issuer.token()
    await door.post(LIST, good)
    clock.advance(seconds=31)
    issuer.private |= {f"made-up-{number}": issuer.private["first"] for number in range(20)}

    answers = {(await door.post(LIST, issuer.token(f"made-up-{number}"))).status_code for number in range(20)}

    assert answers == {401}
    assert issuer.asked.count("/keys") == 2
    assert (await door.post(LIST, good)).status_code == 200


async def test_while_the_issuer_is_away_known_keys_serve_for_a_day(
    door: Endpoint, issuer: Issuer, clock: Clock
) -> None:
    await door.post(LIST, issuer.token())
    issuer.is_down = True

    clock.advance(hours=23)
    known = await door.post(LIST, issuer.token())
    clock.advance(hours=2)
    late = await door.post(LIST, issuer.token())
    key = await door.post(LIST, await door.key(Scope.AGENT))

    assert (known.status_code, late.status_code, key.status_code) == (200, 503, 200)


async def test_an_issuer_that_cannot_be_asked_is_named_and_asked_again(
    door: Endpoint, issuer: Issuer, clock: Clock
) -> None:
    issuer.is_down = True
    away = await door.post(LIST, issuer.token())
    issuer.is_down = False
    clock.advance(seconds=2)
    back = await door.post(LIST, issuer.token())

    assert (away.status_code, away.headers["retry-after"]) == (503, "2")
    assert away.text == f"the keys of {issuer.url} cannot be read: try the access token again, or use an API key"
    assert back.status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test", "jwks_uri": "http://127.0.0.1:1/keys"},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
        {"jwks_uri": "http://evil.test/keys"},
        {"jwks_uri": 7},
        {"jwks_uri": "https://"},
        [],
    ],
)
async def test_metadata_of_another_issuer_or_without_safe_keys_is_not_believed(
    door: Endpoint, issuer: Issuer, metadata: Any, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.metadata = {"issuer": issuer.url} | metadata if metadata else metadata

    response = await door.post(LIST, issuer.token())

    assert response.status_code == 503
    assert "cannot be read" in caplog.text
    assert "/keys" not in issuer.asked


async def test_a_database_that_is_away_is_told_as_such(app: App, endpoint: Endpoint) -> None:
    async def gone(_secret: str) -> None:
        raise Unavailable("the database is away")

    key = await endpoint.key(Scope.AGENT)
    app.keyring.holder = gone  # type: ignore[method-assign, assignment]

    response = await endpoint.post(LIST, key)

    assert (response.status_code, response.text) == (503, "the database is away")


def test_metadata_is_looked_for_where_both_standards_put_it() -> None:
    assert metadata_urls("https://id.test/realms/acme") == [
        "https://id.test/.well-known/oauth-authorization-server/realms/acme",
        "https://id.test/.well-known/openid-configuration/realms/acme",
        "https://id.test/realms/acme/.well-known/openid-configuration",
    ]
    assert metadata_urls("https://id.test/") == [
        "https://id.test/.well-known/oauth-authorization-server",
        "https://id.test/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize("url", ["http://id.test", "id.test", "ftp://id.test", "https://"])
def test_an_issuer_that_others_could_speak_for_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="give an address with https"):
        Settings(oauth_issuer=url)


async def tools(door: Endpoint, token: str) -> set[str]:
    response = await door.post(LIST, token)
    assert response.status_code == 200, response.text
    return {tool["name"] for tool in last_message(response)["result"]["tools"]}


def with_claims(token: str, **changed: Any) -> str:
    """The token with other claims under the same signature."""
    header, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "==")) | changed
    return ".".join([header, base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("="), signature])
