"""The first schema.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
        comment="One row. Its lock gives published changes a total order; other processes poll its version.",
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
        comment="Keys that the installation made for itself.",
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        sa.UniqueConstraint("slug", name="uq_tenants_slug"),
    )
    op.create_index("ix_tenants_version", "tenants", ["version"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("attests_addresses", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_keys_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "audit",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_audit_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant_id_at", "audit", ["tenant_id", "at"], unique=False)
    op.create_table(
        "components",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("group_name", sa.String(length=200), nullable=False),
        sa.Column("group_position", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_components_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_components"),
    )
    op.create_table(
        "conversations",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column("customer_ref", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_conversations_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_conversations"),
        sa.UniqueConstraint("tenant_id", "external_id", name="uq_conversations_tenant_id_external_id"),
        comment="Both references are keyed hashes: whose they are is known to the host alone.",
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_idempotency_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "actor_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("title_translations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("history_head", sa.String(length=64), nullable=False),
        sa.Column("history_length", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_incidents_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_incidents"),
        sa.UniqueConstraint("tenant_id", "slug", name="uq_incidents_tenant_id_slug"),
        comment="Title, status, severity and resolved_at are the fold of the updates, rewritten with them.",
    )
    op.create_index("ix_incidents_tenant_id_resolved_at", "incidents", ["tenant_id", "resolved_at"], unique=False)
    op.create_index("ix_incidents_tenant_id_started_at", "incidents", ["tenant_id", "started_at"], unique=False)
    op.create_table(
        "component_own_states",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("component_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "component_id"],
            ["components.tenant_id", "components.id"],
            name="fk_component_own_states_tenant_id_component_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_component_own_states"),
        comment="What operators set, over time. The newest row is the component's own state.",
    )
    op.create_index(
        "ix_component_own_states_tenant_id_component_id_at",
        "component_own_states",
        ["tenant_id", "component_id", "at"],
        unique=False,
    )
    op.create_table(
        "component_state_history",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("component_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "component_id"],
            ["components.tenant_id", "components.id"],
            name="fk_component_state_history_tenant_id_component_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "component_id", "at", name="pk_component_state_history"),
        comment="The state shown from `at` on: the worst of own state and active incidents. The last row is now.",
    )
    op.create_table(
        "incident_components",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("component_id", sa.String(length=64), nullable=False),
        sa.Column("impact", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "component_id"],
            ["components.tenant_id", "components.id"],
            name="fk_incident_components_tenant_id_component_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_incident_components_tenant_id_incident_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "incident_id", "component_id", name="pk_incident_components"),
        comment="The components affected now: part of the fold. No impact: it follows from the severity.",
    )
    op.create_table(
        "incident_updates",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("components", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=True),
        sa.Column("translations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("title_translations", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_incident_updates_tenant_id_incident_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_incident_updates"),
    )
    op.create_index(
        "ix_incident_updates_tenant_id_incident_id_at",
        "incident_updates",
        ["tenant_id", "incident_id", "at"],
        unique=False,
    )
    op.create_table(
        "matches",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("relevance", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversations.tenant_id", "conversations.id"],
            name="fk_matches_tenant_id_conversation_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_matches_tenant_id_incident_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_matches"),
        comment="That an incident was named in an answer; never what the customer wrote.",
    )
    op.create_index(
        "ix_matches_tenant_id_incident_id_created_at",
        "matches",
        ["tenant_id", "incident_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "fanouts",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("update_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cursor", sa.String(length=64), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_fanouts_tenant_id_incident_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "update_id"],
            ["incident_updates.tenant_id", "incident_updates.id"],
            name="fk_fanouts_tenant_id_update_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_fanouts"),
        sa.UniqueConstraint("tenant_id", "update_id", name="uq_fanouts_tenant_id_update_id"),
        comment="The outbox: one row per published update, written in its transaction and expanded to mail later.",
    )
    op.create_index(
        "ix_fanouts_waiting",
        "fanouts",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "incident_history",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("update_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=200), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_incident_history_tenant_id_incident_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "update_id"],
            ["incident_updates.tenant_id", "incident_updates.id"],
            name="fk_incident_history_tenant_id_update_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "incident_id", "position", name="pk_incident_history"),
        comment="The hash chain of an incident: a link for each version of each update, the first post included.",
    )
    op.create_table(
        "incident_update_revisions",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("update_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("components", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=True),
        sa.Column("translations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("title_translations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "update_id"],
            ["incident_updates.tenant_id", "incident_updates.id"],
            name="fk_incident_update_revisions_tenant_id_update_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "update_id", "version", name="pk_incident_update_revisions"),
        comment="The versions that edits replaced. Nothing in the product edits or deletes a row here.",
    )
    op.execute("INSERT INTO changes (id, version) VALUES (1, 0)")
