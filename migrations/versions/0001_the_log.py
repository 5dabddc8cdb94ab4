"""The log: apps and keys, inboxes, notifications, idempotency and the outbox."""

from pathlib import Path

from alembic import op

from notify.store.statements import in_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HERE = Path(__file__)


def upgrade(schema: str) -> None:
    op.execute(in_schema(HERE.with_suffix(".sql").read_text(), schema))


def downgrade(schema: str) -> None:
    op.execute(in_schema(HERE.with_suffix(".down.sql").read_text(), schema))
