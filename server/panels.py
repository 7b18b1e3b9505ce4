"""Panel tokens: what a browser holds for some minutes instead of the Sidekick's key.

A token says whose key it was minted with, under our signature, and nothing of it is stored. It may do what the
scope `sidekick` may, whatever else its key may do, and it dies with its key.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from server.context import App, TenantContext
from server.errors import Refused
from server.keys import Holder
from server.models import Line, Model, Scope, Utc

PREFIX = "panel_"
VALID_FOR = timedelta(minutes=15)


class TokenRequest(Model):
    agent: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    """Who sits before the panel, as the host calls them: the audit log and the ground of a subscription say it."""


class PanelToken(Model):
    token: str
    expires_at: Utc


def is_panel_token(secret: str) -> bool:
    return secret.startswith(PREFIX)


def mint(tenant: TenantContext, asked: TokenRequest) -> PanelToken:
    """A token for one agent's browser. Raises Refused without the scope `sidekick`."""
    tenant.require(Scope.SIDEKICK)
    expires_at = (tenant.now() + VALID_FOR).replace(microsecond=0)
    said = [tenant.id, tenant.actor.id, asked.agent, int(expires_at.timestamp())]
    payload = urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    return PanelToken(token=f"{PREFIX}{payload}.{tenant.app.signer.mac('panel', payload)}", expires_at=expires_at)


async def holder_of(app: App, token: str) -> Holder | None:
    """Whom the token lets in; None if it is not ours, has expired, or its key was revoked."""
    payload, _, mac = token.removeprefix(PREFIX).partition(".")
    if not app.signer.is_mac(mac, "panel", payload):
        return None
    tenant_id, key_id, agent, expires_at = _read(payload)
    if app.clock().timestamp() >= expires_at:
        return None
    holder = await app.keyring.holder_of_key(tenant_id, key_id)
    if holder is None or Scope.SIDEKICK not in holder.actor.scopes:
        return None
    name = f"{agent} ({holder.actor.name})" if agent else holder.actor.name
    actor = replace(holder.actor, name=name, scopes=frozenset({Scope.SIDEKICK}))
    return Holder(holder.tenant_id, actor)


def check_may_mint(secret: str) -> None:
    """Raises Refused for a panel token: one that made the next would live for ever."""
    if is_panel_token(secret):
        raise Refused("a panel token mints no other: ask your own server, which holds the key")


def _read(payload: str) -> Any:
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
