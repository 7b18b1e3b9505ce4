"""What customers answered when they agreed to mail.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("analyzer", sa.String(length=200), nullable=False),
        sa.Column("conversation", sa.String(length=64), nullable=True),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_consents_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_consents"),
        sa.UniqueConstraint(
            "tenant_id",
            "conversation",
            "topic",
            "subject_id",
            name="uq_consents_tenant_id_conversation_topic_subject_id",
        ),
        comment="What customers answered when they agreed. Without a conversation, any number for one topic.",
    )
    op.create_index("ix_consents_tenant_id_address_key", "consents", ["tenant_id", "address_key"], unique=False)
    op.create_index("ix_consents_tenant_id_key_id_at", "consents", ["tenant_id", "key_id", "at"], unique=False)


def downgrade() -> None:
    op.drop_table("consents")
