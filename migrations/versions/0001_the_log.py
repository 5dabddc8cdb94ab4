"""The log: apps and keys, inboxes, notifications, idempotency and the outbox."""

from notify.store.revision import from_files

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
