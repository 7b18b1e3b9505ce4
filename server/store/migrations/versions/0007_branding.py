"""Tenants' pictures, and what was taken over from another status page.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "brand_pictures",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("reads_on_light", sa.Boolean(), nullable=False),
        sa.Column("reads_on_dark", sa.Boolean(), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_brand_pictures_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "role", name="pk_brand_pictures"),
        comment="Logo and favicon, as we encoded them.",
    )
    op.create_table(
        "imported",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("own_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_imported_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "external_id", name="pk_imported"),
        comment=(
            "What was taken over from another status page, by its id there: taking it over again adds nothing."
        ),
    )
