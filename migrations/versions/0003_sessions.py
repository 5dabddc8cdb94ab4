"""Processes, their live connections, and when users were last seen."""

from notify.store.revision import from_files

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
