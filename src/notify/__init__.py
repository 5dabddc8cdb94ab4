"""notify stores a notification in PostgreSQL first and then shows it on every device its user has open."""

from importlib.metadata import version

__all__ = ("__version__",)

__version__ = version("notify")
