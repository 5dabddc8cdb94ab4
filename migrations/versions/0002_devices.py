"""Devices and what they acknowledged."""

from notify.store.revision import from_files

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
