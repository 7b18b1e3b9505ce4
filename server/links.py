"""Public addresses of what Herald shows. Never made from a request's Host header."""

from __future__ import annotations

from urllib.parse import urlsplit

from server.config import Settings
from server.models import Incident, Tenant


def page_url(settings: Settings, tenant: Tenant) -> str:
    """The tenant's page: its own public address if it has one, else its place on this server."""
    if tenant.settings.public_url is not None:
        return str(tenant.settings.public_url).rstrip("/")
    return f"{settings.base_url}/s/{tenant.slug}"


def incident_url(settings: Settings, tenant: Tenant, incident: Incident) -> str:
    return f"{page_url(settings, tenant)}/incidents/{incident.slug}"


def mail_domain(settings: Settings, tenant: Tenant) -> str:
    """What stands behind the @ in the ids of the tenant's mails (RFC 5322 §3.6.4)."""
    host = urlsplit(page_url(settings, tenant)).hostname or "localhost"
    return host if any(character.isalpha() for character in host) and ":" not in host else f"[{host}]"
