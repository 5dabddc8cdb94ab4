"""The `notify` command as processes of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ("environment_with", "notify")

_OURS = ("NOTIFY_", "DATABASE_URL", "REDIS_URL", "PG")


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """This environment without anything that would be a setting, and these."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name not in {"HOST", "PORT"}
    }
    return {**inherited, **variables}


def notify(*arguments: str, folder: Path, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs it in a folder, whose `.env` would count, with these environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "notify", *arguments],
        cwd=folder,
        env=environment_with(variables),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
