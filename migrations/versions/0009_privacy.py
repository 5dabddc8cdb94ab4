"""What is held about a user can be exported and erased: operations with progress, and receipts of them."""

from notify.store.revision import from_files

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
