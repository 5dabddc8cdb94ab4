"""What a migration does: the SQL beside it, `NAME.sql` up and `NAME.down.sql` down."""

from collections.abc import Callable
from pathlib import Path

from alembic import op

from notify.store.statements import in_schema

__all__ = ("from_files",)


def from_files(revision_file: str) -> tuple[Callable[[str], None], Callable[[str], None]]:
    """The `upgrade` and `downgrade` of a revision; Alembic hands them the schema."""
    beside = Path(revision_file)

    def upgrade(schema: str) -> None:
        op.execute(in_schema(beside.with_suffix(".sql").read_text(), schema))

    def downgrade(schema: str) -> None:
        op.execute(in_schema(beside.with_suffix(".down.sql").read_text(), schema))

    return upgrade, downgrade
