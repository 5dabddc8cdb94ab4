"""How migrations run: each in a transaction of its own, never waiting long for a lock that somebody else holds.

`notify.store.migrate` opens the connection, sees to it that one process migrates at a time, and hands both over.
"""

from alembic import context
from sqlalchemy import Connection

from notify.store.tables import metadata_for

connection: Connection = context.config.attributes["connection"]
schema: str = context.config.attributes["schema"]

context.configure(
    connection=connection,
    target_metadata=metadata_for(schema),
    version_table=context.config.attributes["version_table"],
    version_table_schema=schema,
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=True,
    include_schemas=True,
    include_name=lambda name, kind, _parents: kind != "schema" or name == schema,
)
with context.begin_transaction():
    context.run_migrations(schema=schema)
