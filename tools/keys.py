"""Key tools: who may call Herald, and with which scopes; for the owner of the page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server.keys import create_key, list_keys, revoke_key
from server.models import ApiKey, Scope
from tools.desk import Desk, tenant_of
from tools.views import result


class KeyView(BaseModel):
    id: str
    name: str
    scopes: list[Scope]
    attests_addresses: bool
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class NewKey(KeyView):
    secret: Annotated[str, Field(description="Shown only now: hand it to the person who asked and keep no copy")]


class KeyList(BaseModel):
    keys: list[KeyView]


class Revoked(BaseModel):
    id: str
    revoked: bool


async def key_list(ctx: Context[Desk]) -> Annotated[CallToolResult, KeyList]:
    """List the API keys, without their secrets.

    Call it to see who has access, which keys lie unused, or to find the id for `key_revoke`. A lost secret cannot
    be shown again: make a new key instead. Returns id, name, scopes, when it was made, last used and revoked.
    """
    return result(KeyList(keys=[_view(key) for key in await list_keys(tenant_of(ctx))]))


async def key_create(
    ctx: Context[Desk],
    name: Annotated[str, Field(min_length=1, max_length=200, description="The system that will use it")],
    scopes: Annotated[list[Scope], Field(min_length=1, description="What it may do; give no more than it needs")],
    attests_addresses: Annotated[
        bool, Field(description="Its host passes the signed-in customer's own address, and vouches for it")
    ] = False,
) -> Annotated[CallToolResult, NewKey]:
    """Make an API key. Its secret comes back once and stays in this conversation.

    Call it only when asked to by a person who will put the secret to use at once. To keep secrets out of
    conversations, keys are made at the command line instead: `herald key create`. Returns the key and its secret.
    """
    key, secret = await create_key(tenant_of(ctx), name, scopes, attests_addresses)
    return result(NewKey(**_view(key).model_dump(), secret=secret))


async def key_revoke(
    ctx: Context[Desk], key_id: Annotated[str, Field(description="Key id, such as `key_01jd…`, from key_list")]
) -> Annotated[CallToolResult, Revoked]:
    """Refuse an API key from now on, in every process, within a second. It cannot be taken back.

    Call it when a key leaked or its system is gone; do not call it before `key_list` showed that it is the right
    one. Returns the id.
    """
    await revoke_key(tenant_of(ctx), key_id)
    return result(Revoked(id=key_id, revoked=True))


def _view(key: ApiKey) -> KeyView:
    return KeyView.model_validate(key.model_dump(exclude={"tenant_id"}) | {"scopes": sorted(key.scopes)})
