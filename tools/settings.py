"""Settings tools: what the page is called, how matches are worded, what is kept; for its owner."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server.context import TenantContext
from server.models import TenantSettings
from server.tenants import edit_settings, get_settings
from tools.desk import Desk, tenant_of
from tools.views import result


class SettingsView(BaseModel):
    page_title: str | None = None
    page_description: str | None = None
    public_url: str | None = None
    time_zone: str
    default_language: str
    history_days: int
    card_threshold: Annotated[float, Field(description="From this probability on a match is `likely`")]
    mention_threshold: Annotated[float, Field(description="Below this probability a match is left out")]
    public_mcp: Annotated[bool, Field(description="Whether anybody may ask the page over MCP, without a key")]
    discovery: Annotated[bool, Field(description="Whether the Sidekick looks for incidents by itself")]
    highlights: Annotated[bool, Field(description="Whether the Sidekick may show which words matched")]
    reply_templates: Annotated[
        dict[str, dict[str, str]], Field(description="Own sentences of the Sidekick's reply, by language")
    ]


async def page_settings_get(ctx: Context[Desk]) -> Annotated[CallToolResult, SettingsView]:
    """Read the settings of the status page and of the matching.

    Call it before `page_settings_update`, or to explain why a match was or was not mentioned. It says nothing of
    incidents or components. Returns every setting.
    """
    return _shown(await get_settings(tenant_of(ctx)))


async def page_settings_update(
    ctx: Context[Desk],
    page_title: Annotated[str | None, Field(max_length=200, description="Empty: the tenant's name")] = None,
    page_description: Annotated[str | None, Field(max_length=500, description="Empty: none")] = None,
    public_url: Annotated[
        str | None, Field(max_length=500, description="Where customers reach the page; empty: its place here")
    ] = None,
    time_zone: Annotated[str | None, Field(description="IANA name, such as `Europe/Berlin`")] = None,
    default_language: Annotated[str | None, Field(description="BCP 47 tag, such as `de`")] = None,
    history_days: Annotated[
        int | None, Field(ge=1, le=3650, description="How long resolved incidents stay on the page")
    ] = None,
    card_threshold: Annotated[
        float | None, Field(ge=0, le=1, description="From this probability on a match is `likely`")
    ] = None,
    mention_threshold: Annotated[
        float | None, Field(ge=0, le=1, description="Below this probability a match is left out")
    ] = None,
    public_mcp: Annotated[
        bool | None, Field(description="Let anybody ask the page over MCP without a key, reading only")
    ] = None,
    discovery: Annotated[
        bool | None, Field(description="Let the Sidekick look for incidents; false: only linked ones are shown")
    ] = None,
    highlights: Annotated[bool | None, Field(description="Let the Sidekick show which words matched")] = None,
    reply_templates: Annotated[
        dict[str, dict[str, str]] | None,
        Field(description="Replaces all own sentences of replies, such as `{'en': {'sorry': 'Sorry.'}}`"),
    ] = None,
) -> Annotated[CallToolResult, SettingsView]:
    """Change settings of the status page and of the matching. What is left out stays.

    The page follows at once. Do not call it for incidents, components or keys, which have tools of their own.
    Returns every setting as it is now.
    """
    tenant: TenantContext = tenant_of(ctx)
    given = {
        "page_title": page_title,
        "page_description": page_description,
        "public_url": public_url,
        "time_zone": time_zone,
        "default_language": default_language,
        "history_days": history_days,
        "card_threshold": card_threshold,
        "mention_threshold": mention_threshold,
        "public_mcp": public_mcp,
        "discovery": discovery,
        "highlights": highlights,
        "reply_templates": reply_templates,
    }
    changes = {name: value or None if value == "" else value for name, value in given.items() if value is not None}
    return _shown(await edit_settings(tenant, changes))


def _shown(settings: TenantSettings) -> CallToolResult:
    return result(
        SettingsView.model_validate(settings.model_dump(mode="json", include=set(SettingsView.model_fields)))
    )
