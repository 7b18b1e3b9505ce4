"""When host names were checked again, and those that tenants gave up or lost.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("domains", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("domains", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "released_hosts",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_released_hosts_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "host", name="pk_released_hosts"),
        comment="Names that tenants gave up or lost: for a while no other tenant can claim them.",
    )
    op.create_index("ix_released_hosts_host", "released_hosts", ["host"], unique=False)


def downgrade() -> None:
    op.drop_table("released_hosts")
    op.drop_column("domains", "failing_since")
    op.drop_column("domains", "checked_at")
