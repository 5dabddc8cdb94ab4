"""What time does: expiry, snooze, progress, scheduled sends, retention; and audiences in the outbox."""

from notify.store.revision import from_files

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
