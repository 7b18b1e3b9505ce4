"""What human agents make of the incidents that they are shown.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversation_incidents",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("match_id", sa.String(length=64), nullable=True),
        sa.Column("relevance", sa.Float(), nullable=True),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversations.tenant_id", "conversations.id"],
            name="fk_conversation_incidents_tenant_id_conversation_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_conversation_incidents_tenant_id_incident_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "incident_id", name="pk_conversation_incidents"),
        comment="What human agents were shown and what they made of it: labels for the calibration.",
    )
    op.create_index(
        "ix_conversation_incidents_tenant_id_incident_id",
        "conversation_incidents",
        ["tenant_id", "incident_id"],
        unique=False,
    )
