"""Devices and what they acknowledged."""

from pathlib import Path

from alembic import op

from notify.store.statements import in_schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HERE = Path(__file__)


def upgrade(schema: str) -> None:
    op.execute(in_schema(HERE.with_suffix(".sql").read_text(), schema))


def downgrade(schema: str) -> None:
    op.execute(in_schema(HERE.with_suffix(".down.sql").read_text(), schema))
