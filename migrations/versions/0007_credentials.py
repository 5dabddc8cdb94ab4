"""What was revoked, tickets, and what API keys are bound to."""

from notify.store.revision import from_files

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
