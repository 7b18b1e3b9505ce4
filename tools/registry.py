"""The published tools: who may call each, and what it does to the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.models import Scope
from tools.branding import branding_clear_picture, branding_get, branding_set_picture, branding_update
from tools.components import (
    component_create,
    component_delete,
    component_list,
    component_reorder,
    component_set_state,
    component_update,
)
from tools.incidents import (
    incident_check_title,
    incident_create,
    incident_edit_update,
    incident_get,
    incident_list,
    incident_list_revisions,
    incident_post_update,
    incident_preview,
    incident_resolve,
    incident_set_components,
)
from tools.keys import key_create, key_list, key_revoke
from tools.maintenance import maintenance_cancel, maintenance_list, maintenance_schedule, maintenance_update
from tools.reports import incident_report
from tools.settings import page_settings_get, page_settings_update
from tools.status_check import status_check
from tools.status_subscribe import status_subscribe
from tools.subscribers import delivery_report, subscriber_list


@dataclass(frozen=True)
class Published:
    """One tool: the function, who may call it, and what it does to the world."""

    function: Callable[..., Any]
    title: str
    scopes: frozenset[Scope]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def toolset(self) -> str:
        """The noun of the module that the tool is in, such as `incidents`: what `--toolsets` chooses from."""
        return self.function.__module__.rpartition(".")[2].partition("_")[0]


AGENTS = frozenset({Scope.AGENT})
OPERATORS = frozenset({Scope.OPERATOR})
OWNERS = frozenset({Scope.ADMIN})
READERS = frozenset({Scope.AGENT, Scope.OPERATOR})

PUBLISHED = (
    Published(status_check, "Check for a known incident", AGENTS, read_only=True, idempotent=True),
    Published(status_subscribe, "Subscribe a customer who agreed", AGENTS, idempotent=True),
    Published(incident_create, "Post an incident", OPERATORS),
    Published(incident_post_update, "Post an update", OPERATORS),
    Published(incident_resolve, "Resolve an incident", OPERATORS),
    Published(incident_set_components, "Say what an incident affects", OPERATORS),
    Published(incident_edit_update, "Correct an update", OPERATORS, destructive=True),
    Published(incident_check_title, "Check a title", OPERATORS, read_only=True, idempotent=True),
    Published(incident_preview, "Try a post", OPERATORS, read_only=True, idempotent=True),
    Published(incident_get, "Read an incident", READERS, read_only=True, idempotent=True),
    Published(incident_list, "List incidents", OPERATORS, read_only=True, idempotent=True),
    Published(incident_list_revisions, "List corrections", OPERATORS, read_only=True, idempotent=True),
    Published(incident_report, "Report on an incident", OPERATORS | OWNERS, read_only=True, idempotent=True),
    Published(maintenance_schedule, "Plan maintenance", OPERATORS),
    Published(maintenance_update, "Change a maintenance", OPERATORS),
    Published(maintenance_cancel, "Call off a maintenance", OPERATORS, destructive=True),
    Published(maintenance_list, "List maintenance", OPERATORS, read_only=True, idempotent=True),
    Published(component_list, "List components", READERS, read_only=True, idempotent=True),
    Published(component_create, "Add a component", OPERATORS),
    Published(component_update, "Rename or move a component", OPERATORS, destructive=True, idempotent=True),
    Published(component_reorder, "Reorder components", OPERATORS, destructive=True, idempotent=True),
    Published(component_delete, "Delete a component", OPERATORS, destructive=True),
    Published(component_set_state, "Set a component's state", OPERATORS, destructive=True, idempotent=True),
    Published(subscriber_list, "List subscribers", OWNERS, read_only=True, idempotent=True),
    Published(delivery_report, "Report on mail", OPERATORS | OWNERS, read_only=True, idempotent=True),
    Published(page_settings_get, "Read the settings", OWNERS, read_only=True, idempotent=True),
    Published(page_settings_update, "Change the settings", OWNERS, destructive=True, idempotent=True),
    Published(branding_get, "Read how the page looks", OWNERS, read_only=True, idempotent=True),
    Published(branding_update, "Change how the page looks", OWNERS, destructive=True, idempotent=True),
    Published(branding_set_picture, "Show a logo or a favicon", OWNERS, destructive=True, idempotent=True),
    Published(branding_clear_picture, "Take a picture off the page", OWNERS, destructive=True),
    Published(key_list, "List API keys", OWNERS, read_only=True, idempotent=True),
    Published(key_create, "Make an API key", OWNERS),
    Published(key_revoke, "Revoke an API key", OWNERS, destructive=True, idempotent=True),
)

# What a tenant may open to anybody: reading what its page shows anyway.
PUBLIC = tuple(tool for tool in PUBLISHED if tool.name in ("status_check", "incident_get", "component_list"))
TOOLSETS = tuple(dict.fromkeys(tool.toolset for tool in PUBLISHED))
