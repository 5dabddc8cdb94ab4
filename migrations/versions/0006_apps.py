"""How apps' tokens are verified, and whether an app is enabled."""

from notify.store.revision import from_files

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

upgrade, downgrade = from_files(__file__)
