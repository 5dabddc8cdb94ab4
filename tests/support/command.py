"""The `notify` command as processes of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from support.leaks import LOGS
from support.nursery import ran

__all__ = ("environment_with", "notify", "secrets_in")

_OURS = ("NOTIFY_", "DATABASE_URL", "REDIS_URL", "PG")


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """This environment without anything that would be a setting, and these."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name not in {"HOST", "PORT"}
    }
    return {**inherited, **variables}


def notify(*arguments: str, folder: Path, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs it in a folder, whose `.env` would count, with these environment variables."""
    LOGS.know(*secrets_in(variables))
    environment = environment_with(variables)
    if given or "COVERAGE_PROCESS_CONFIG" in environment:
        done = subprocess.run(
            [sys.executable, "-m", "notify", *arguments],
            cwd=folder,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    else:
        done = ran(list(arguments), environment, folder)
    LOGS.read(done.stderr.splitlines())
    return done


def secrets_in(variables: Mapping[str, str]) -> list[str]:
    """What these settings hold that may be in no log."""
    return [
        urlsplit(value).password or "" if "://" in value else value
        for name, value in variables.items()
        if name.startswith(_OURS) and name.endswith(("_KEY", "_SECRET", "DATABASE_URL"))
    ]
