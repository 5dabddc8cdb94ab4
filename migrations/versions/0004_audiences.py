"""Topics, who has subscribed to them, and what was published."""

from notify.store.revision import from_files

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
