"""Templates to bytes. Everything is escaped; a name that a template misspells is an error."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: Any) -> bytes:
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("status_site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["utc"] = _utc
    environment.filters["iso"] = datetime.isoformat
    environment.filters["words"] = _words
    return environment


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def _words(value: str) -> str:
    """`partial_outage` as people write it."""
    return value.replace("_", " ")
