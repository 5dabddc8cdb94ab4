"""${message}."""

from notify.store.revision import from_files

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# Beside this file: the same name with .sql and .down.sql.
upgrade, downgrade = from_files(__file__)
