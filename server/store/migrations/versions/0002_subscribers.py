"""Subscribers, their mail, and the servers that it is sent through.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("fanouts", "lease_owner")  # a batch is expanded under the row's lock
    op.drop_column("fanouts", "lease_until")
    op.create_table(
        "channels",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.String(length=16), nullable=False),
        sa.Column("username", sa.String(length=320), nullable=True),
        sa.Column("sealed_password", sa.String(length=2048), nullable=True),
        sa.Column("from_address", sa.String(length=320), nullable=False),
        sa.Column("from_name", sa.String(length=200), nullable=True),
        sa.Column("reply_to", sa.String(length=320), nullable=True),
        sa.Column("connections", sa.Integer(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("bounce_domain", sa.String(length=255), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_channels_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_channels"),
        comment="A tenant's own SMTP server; tenants without one use the platform's.",
    )
    op.create_table(
        "signups",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("topics", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("ground", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("sealed_token", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_signups_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_signups"),
        sa.UniqueConstraint("token_hash", name="uq_signups_token_hash"),
        comment="Requests that the address's owner has not confirmed yet, and for some days those that were.",
    )
    op.create_index("ix_signups_address_key_created_at", "signups", ["address_key", "created_at"], unique=False)
    op.create_index("ix_signups_tenant_id_created_at", "signups", ["tenant_id", "created_at"], unique=False)
    op.create_table(
        "subscribers",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_subscribers_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_subscribers"),
        sa.UniqueConstraint("tenant_id", "address_key", name="uq_subscribers_tenant_id_address_key"),
        comment="Addresses whose owner opted in. The key is the address as it is compared: in lower case.",
    )
    op.create_table(
        "suppressions",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_suppressions_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "address_hash", name="pk_suppressions"),
        comment="Addresses that get no mail, as keyed hashes: the list outlives the address itself.",
    )
    op.create_table(
        "offers",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_offers_tenant_id_incident_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_offers"),
        comment="What customers were asked before they said yes. One row per wording, not per customer.",
    )
    op.create_table(
        "subscriptions",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("subscriber_id", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ground", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subscriber_id"],
            ["subscribers.tenant_id", "subscribers.id"],
            name="fk_subscriptions_tenant_id_subscriber_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "subscriber_id", "topic", "subject_id", name="pk_subscriptions"),
        comment="What a subscriber hears of, and why Herald may write. The topic `all` has an empty subject.",
    )
    op.create_index(
        "ix_subscriptions_tenant_id_topic_subject_id_subscriber_id",
        "subscriptions",
        ["tenant_id", "topic", "subject_id", "subscriber_id"],
        unique=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subscriber_id", sa.String(length=64), nullable=True),
        sa.Column("signup_id", sa.String(length=64), nullable=True),
        sa.Column("incident_id", sa.String(length=64), nullable=True),
        sa.Column("fanout_id", sa.String(length=64), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=320), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "fanout_id"],
            ["fanouts.tenant_id", "fanouts.id"],
            name="fk_deliveries_tenant_id_fanout_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_deliveries_tenant_id_incident_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "signup_id"],
            ["signups.tenant_id", "signups.id"],
            name="fk_deliveries_tenant_id_signup_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subscriber_id"],
            ["subscribers.tenant_id", "subscribers.id"],
            name="fk_deliveries_tenant_id_subscriber_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "tenant_id", "fanout_id", "subscriber_id", name="uq_deliveries_tenant_id_fanout_id_subscriber_id"
        ),
        comment="One mail to one person, and what became of it. A claimed row is due again when its lease ends.",
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["tenant_id", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_deliveries_tenant_id_signup_id", "deliveries", ["tenant_id", "signup_id"], unique=False)
    op.create_index(
        "ix_deliveries_tenant_id_state_finished_at",
        "deliveries",
        ["tenant_id", "state", "finished_at"],
        unique=False,
    )
    op.create_index(
        "ix_deliveries_tenant_id_subscriber_id_incident_id",
        "deliveries",
        ["tenant_id", "subscriber_id", "incident_id"],
        unique=False,
    )
