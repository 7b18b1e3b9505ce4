"""Every table, once, for both databases (SQLAlchemy Core).

Whatever belongs to a tenant has the tenant first in its keys, and its references carry the tenant too, so that
a row can never point into another tenant's data. Times are UTC. The tables of one noun are read and written
only by the module of that noun.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, to the microsecond, on both databases. Naive values are refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id(name: str = "id", **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), **options)


def _time(name: str, *, null: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcDateTime, nullable=null)


def _json(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=null)


def _tenant(*, primary: bool = True) -> sa.Column[str]:
    return _id("tenant_id", primary_key=primary, nullable=False)


def _belongs_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"])


def _of_tenant() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"])


changes = sa.Table(
    "changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    comment="One row. Its lock gives published changes a total order; other processes poll its version.",
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
    comment="Keys that the installation made for itself.",
)

tenants = sa.Table(
    "tenants",
    metadata,
    _id(primary_key=True),
    sa.Column("slug", sa.String(63), nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    _json("settings"),
    sa.Column("version", sa.BigInteger, nullable=False, index=True),
    _time("created_at"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    _json("scopes"),
    sa.Column("attests_addresses", sa.Boolean, nullable=False),
    _time("created_at"),
    _time("last_used_at", null=True),
    _time("revoked_at", null=True),
    _of_tenant(),
)

components = sa.Table(
    "components",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("group_name", sa.String(200), nullable=False),
    sa.Column("group_position", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    _time("created_at"),
    _time("deleted_at", null=True),
    _of_tenant(),
)

component_own_states = sa.Table(
    "component_own_states",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _id("component_id", nullable=False),
    _time("at"),
    sa.Column("state", sa.String(32), nullable=False),
    _belongs_to("components", "component_id"),
    sa.Index(None, "tenant_id", "component_id", "at"),
    comment="What operators set, over time. The newest row is the component's own state.",
)

component_state_history = sa.Table(
    "component_state_history",
    metadata,
    _tenant(),
    _id("component_id", primary_key=True),
    sa.Column("at", UtcDateTime, primary_key=True),
    sa.Column("state", sa.String(32), nullable=False),
    _belongs_to("components", "component_id"),
    comment="The state shown from `at` on: the worst of own state and active incidents. The last row is now.",
)

incidents = sa.Table(
    "incidents",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("slug", sa.String(120), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    _json("title_translations"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("severity", sa.String(16), nullable=True),
    _time("started_at"),
    _time("created_at"),
    _time("resolved_at", null=True),
    _time("starts_at", null=True),
    _time("ends_at", null=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("history_head", sa.String(64), nullable=False),
    sa.Column("history_length", sa.Integer, nullable=False),
    _of_tenant(),
    sa.UniqueConstraint("tenant_id", "slug"),
    sa.Index(None, "tenant_id", "resolved_at"),
    sa.Index(None, "tenant_id", "started_at"),
    comment="Title, status, severity and resolved_at are the fold of the updates, rewritten with them.",
)

incident_components = sa.Table(
    "incident_components",
    metadata,
    _tenant(),
    _id("incident_id", primary_key=True),
    _id("component_id", primary_key=True),
    sa.Column("impact", sa.String(32), nullable=True),
    _belongs_to("incidents", "incident_id"),
    _belongs_to("components", "component_id"),
    comment="The components affected now: part of the fold. No impact: it follows from the severity.",
)


def _content() -> list[sa.Column[Any]]:
    """What one version of an update says; the same columns hold the current and the replaced versions."""
    return [
        sa.Column("message", sa.Text, nullable=True),
        sa.Column("status", sa.String(16), nullable=True),
        sa.Column("severity", sa.String(16), nullable=True),
        _json("components", null=True),
        sa.Column("title", sa.String(200), nullable=True),
        _json("translations"),
        _json("title_translations"),
        _json("window", null=True),
    ]


incident_updates = sa.Table(
    "incident_updates",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _id("incident_id", nullable=False),
    _time("at"),
    _time("created_at"),
    _time("edited_at", null=True),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    *_content(),
    _belongs_to("incidents", "incident_id"),
    sa.Index(None, "tenant_id", "incident_id", "at"),
)

incident_update_revisions = sa.Table(
    "incident_update_revisions",
    metadata,
    _tenant(),
    _id("update_id", primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    *_content(),
    _time("replaced_at"),
    sa.Column("replaced_by", sa.String(200), nullable=False),
    _belongs_to("incident_updates", "update_id"),
    comment="The versions that edits replaced. Nothing in the product edits or deletes a row here.",
)

incident_history = sa.Table(
    "incident_history",
    metadata,
    _tenant(),
    _id("incident_id", primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    _id("update_id", nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    _time("recorded_at"),
    sa.Column("recorded_by", sa.String(200), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    _belongs_to("incidents", "incident_id"),
    _belongs_to("incident_updates", "update_id"),
    comment="The hash chain of an incident: a link for each version of each update, the first post included.",
)

maintenance_moments = sa.Table(
    "maintenance_moments",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _id("incident_id", nullable=False),
    sa.Column("what", sa.String(16), nullable=False),
    _time("at"),
    sa.Column("cursor", sa.String(64), nullable=True),
    _time("done_at", null=True),
    _belongs_to("incidents", "incident_id"),
    sa.Index(None, "tenant_id", "incident_id"),
    sa.Index("ix_maintenance_moments_due", "at", sqlite_where=sa.text("done_at IS NULL"),
             postgresql_where=sa.text("done_at IS NULL")),
    comment="What the clock has to do for a planned window: remind of it, begin it, end it.",
)  # fmt: skip

fanouts = sa.Table(
    "fanouts",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _id("incident_id", nullable=False),
    _id("update_id", nullable=False),
    _time("created_at"),
    sa.Column("cursor", sa.String(64), nullable=True),
    _time("done_at", null=True),
    _belongs_to("incidents", "incident_id"),
    _belongs_to("incident_updates", "update_id"),
    sa.UniqueConstraint("tenant_id", "update_id"),
    sa.Index("ix_fanouts_waiting", "created_at", sqlite_where=sa.text("done_at IS NULL"),
             postgresql_where=sa.text("done_at IS NULL")),
    comment="The outbox: one row per published update, written in its transaction and expanded to mail later.",
)  # fmt: skip

subscribers = sa.Table(
    "subscribers",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("address_key", sa.String(320), nullable=False),
    sa.Column("language", sa.String(35), nullable=True),
    sa.Column("time_zone", sa.String(64), nullable=True),
    _time("created_at"),
    _of_tenant(),
    sa.UniqueConstraint("tenant_id", "address_key"),
    comment="Addresses whose owner opted in. The key is the address as it is compared: in lower case.",
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    _tenant(),
    _id("subscriber_id", primary_key=True),
    sa.Column("topic", sa.String(16), primary_key=True),
    sa.Column("subject_id", sa.String(64), primary_key=True),
    _time("confirmed_at"),
    _json("ground"),
    _belongs_to("subscribers", "subscriber_id"),
    sa.Index(None, "tenant_id", "topic", "subject_id", "subscriber_id"),
    comment="What a subscriber hears of, and why Herald may write. The topic `all` has an empty subject.",
)

signups = sa.Table(
    "signups",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("address_key", sa.String(320), nullable=False),
    sa.Column("language", sa.String(35), nullable=True),
    sa.Column("time_zone", sa.String(64), nullable=True),
    _json("topics"),
    _json("ground"),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("sealed_token", sa.String(256), nullable=False),
    _time("created_at"),
    _time("expires_at"),
    _time("confirmed_at", null=True),
    _of_tenant(),
    sa.Index(None, "address_key", "created_at"),
    sa.Index(None, "tenant_id", "created_at"),
    comment="Requests that the address's owner has not confirmed yet, and for some days those that were.",
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    _tenant(),
    sa.Column("address_hash", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(32), nullable=False),
    _time("created_at"),
    _of_tenant(),
    comment="Addresses that get no mail, as keyed hashes: the list outlives the address itself.",
)

offers = sa.Table(
    "offers",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _id("incident_id", nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    _time("created_at"),
    _belongs_to("incidents", "incident_id"),
    comment="What customers were asked before they said yes. One row per wording, not per customer.",
)

consents = sa.Table(
    "consents",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("topic", sa.String(16), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("address_key", sa.String(320), nullable=False),
    sa.Column("offer", sa.Text, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("analyzer", sa.String(200), nullable=False),
    sa.Column("conversation", sa.String(64), nullable=True),
    _id("key_id", nullable=False),
    _time("at"),
    _of_tenant(),
    sa.UniqueConstraint("tenant_id", "conversation", "topic", "subject_id"),
    sa.Index(None, "tenant_id", "address_key"),
    sa.Index(None, "tenant_id", "key_id", "at"),
    comment="What customers answered when they agreed. Without a conversation, any number for one topic.",
)

channels = sa.Table(
    "channels",
    metadata,
    _tenant(),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("tls", sa.String(16), nullable=False),
    sa.Column("username", sa.String(320), nullable=True),
    sa.Column("sealed_password", sa.String(2048), nullable=True),
    sa.Column("from_address", sa.String(320), nullable=False),
    sa.Column("from_name", sa.String(200), nullable=True),
    sa.Column("reply_to", sa.String(320), nullable=True),
    sa.Column("connections", sa.Integer, nullable=False),
    sa.Column("per_minute", sa.Integer, nullable=True),
    sa.Column("bounce_domain", sa.String(255), nullable=True),
    _time("changed_at"),
    _time("paused_until", null=True),
    sa.Column("trouble", sa.String(500), nullable=True),
    _of_tenant(),
    comment="A tenant's own SMTP server; tenants without one use the platform's.",
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    _id("subscriber_id", nullable=True),
    _id("signup_id", nullable=True),
    _id("incident_id", nullable=True),
    _id("fanout_id", nullable=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("message_id", sa.String(320), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    _time("created_at"),
    _time("due_at"),
    _id("lease_owner", nullable=True),
    _time("finished_at", null=True),
    sa.Column("reply", sa.String(500), nullable=True),
    _belongs_to("subscribers", "subscriber_id"),
    _belongs_to("signups", "signup_id"),
    _belongs_to("incidents", "incident_id"),
    _belongs_to("fanouts", "fanout_id"),
    sa.UniqueConstraint("tenant_id", "fanout_id", "subscriber_id"),
    sa.Index(None, "tenant_id", "subscriber_id", "incident_id"),
    sa.Index(None, "tenant_id", "signup_id"),
    sa.Index(None, "tenant_id", "state", "finished_at"),
    sa.Index("ix_deliveries_due", "tenant_id", "due_at", sqlite_where=sa.text("state = 'queued'"),
             postgresql_where=sa.text("state = 'queued'")),
    comment="One mail to one person, and what became of it. A claimed row is due again when its lease ends.",
)  # fmt: skip

conversations = sa.Table(
    "conversations",
    metadata,
    _tenant(),
    _id(primary_key=True),
    sa.Column("external_id", sa.String(64), nullable=False),
    sa.Column("customer_ref", sa.String(64), nullable=True),
    _time("created_at"),
    _of_tenant(),
    sa.UniqueConstraint("tenant_id", "external_id"),
    comment="Both references are keyed hashes: whose they are is known to the host alone.",
)

matches = sa.Table(
    "matches",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _id("incident_id", nullable=False),
    _id("conversation_id", nullable=True),
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("relevance", sa.Float, nullable=False),
    _time("created_at"),
    _belongs_to("incidents", "incident_id"),
    _belongs_to("conversations", "conversation_id"),
    sa.Index(None, "tenant_id", "incident_id", "created_at"),
    comment="That an incident was named in an answer; never what the customer wrote.",
)

conversation_incidents = sa.Table(
    "conversation_incidents",
    metadata,
    _tenant(),
    _id("conversation_id", primary_key=True),
    _id("incident_id", primary_key=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    _id("match_id", nullable=True),
    sa.Column("relevance", sa.Float, nullable=True),
    sa.Column("subscribed", sa.Boolean, nullable=False),
    _time("at"),
    _belongs_to("conversations", "conversation_id"),
    _belongs_to("incidents", "incident_id"),
    sa.Index(None, "tenant_id", "incident_id"),
    comment="What human agents were shown and what they made of it: labels for the calibration.",
)

domains = sa.Table(
    "domains",
    metadata,
    _tenant(),
    sa.Column("host", sa.String(253), primary_key=True),
    sa.Column("token", sa.String(64), nullable=False),
    _time("created_at"),
    _time("verified_at", null=True),
    _time("arrived_at", null=True),
    _time("checked_at", null=True),
    _time("failing_since", null=True),
    _of_tenant(),
    sa.Index(None, "host"),
    comment="Host names of tenants' own. Served once the DNS has proved whose they are.",
)

released_hosts = sa.Table(
    "released_hosts",
    metadata,
    _tenant(),
    sa.Column("host", sa.String(253), primary_key=True),
    _time("at"),
    _of_tenant(),
    sa.Index(None, "host"),
    comment="Names that tenants gave up or lost: for a while no other tenant can claim them.",
)

brand_pictures = sa.Table(
    "brand_pictures",
    metadata,
    _tenant(),
    sa.Column("role", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("reads_on_light", sa.Boolean, nullable=False),
    sa.Column("reads_on_dark", sa.Boolean, nullable=False),
    sa.Column("png", sa.LargeBinary, nullable=False),
    _of_tenant(),
    comment="Logo and favicon, as we encoded them.",
)

imported = sa.Table(
    "imported",
    metadata,
    _tenant(),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("external_id", sa.String(200), primary_key=True),
    _id("own_id", nullable=False),
    _of_tenant(),
    comment="What was taken over from another status page, by its id there: taking it over again adds nothing.",
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    _tenant(),
    _id("actor_id", primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("request", sa.String(64), nullable=False),
    _json("result", null=True),
    _time("created_at"),
    _of_tenant(),
    sa.Index(None, "created_at"),
)

audit = sa.Table(
    "audit",
    metadata,
    _tenant(),
    _id(primary_key=True),
    _time("at"),
    sa.Column("actor", sa.String(200), nullable=False),
    _id("actor_id", nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    _json("details"),
    _of_tenant(),
    sa.Index(None, "tenant_id", "at"),
)
