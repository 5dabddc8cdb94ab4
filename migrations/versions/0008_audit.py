"""The audit log: administrative acts, who did them, and how they ended."""

from notify.store.revision import from_files

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
