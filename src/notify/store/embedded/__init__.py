"""PostgreSQL of our own, for a service that was given no database URL."""

from notify.store.embedded.data_folder import EmbeddedError, FolderLock, open_private
from notify.store.embedded.server import EmbeddedPostgres

__all__ = ("EmbeddedError", "EmbeddedPostgres", "FolderLock", "open_private")
