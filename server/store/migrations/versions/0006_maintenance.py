"""Maintenance windows: what each update says of the window, and what the clock has to do.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incident_updates", sa.Column("window", sa.JSON(), nullable=True))
    op.add_column("incident_update_revisions", sa.Column("window", sa.JSON(), nullable=True))
    op.create_table(
        "maintenance_moments",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cursor", sa.String(length=64), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name="fk_maintenance_moments_tenant_id_incident_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_maintenance_moments"),
        comment="What the clock has to do for a planned window: remind of it, begin it, end it.",
    )
    op.create_index(
        "ix_maintenance_moments_tenant_id_incident_id",
        "maintenance_moments",
        ["tenant_id", "incident_id"],
        unique=False,
    )
    op.create_index(
        "ix_maintenance_moments_due",
        "maintenance_moments",
        ["at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("maintenance_moments")
    op.drop_column("incident_update_revisions", "window")
    op.drop_column("incident_updates", "window")
