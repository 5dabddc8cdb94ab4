"""${message}."""

from alembic import op

from notify.store.statements import in_schema

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade(schema: str) -> None:
    op.execute(in_schema(UP, schema))


def downgrade(schema: str) -> None:
    op.execute(in_schema(DOWN, schema))


UP = """
"""

DOWN = """
"""
