"""What an engine sends to a build: the files of a folder that its .dockerignore lets through."""

import os
import re
import shutil
from pathlib import Path


class BuildContext:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        lines = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._rules = [(_regex(pattern.removeprefix("!")), pattern.startswith("!")) for pattern in patterns]

    def has(self, path: str) -> bool:
        """The last rule that fits decides. A rule for a folder is one for everything in it."""
        wanted = True
        for rule, admits in self._rules:
            if rule.fullmatch(path):
                wanted = admits
        return wanted

    def copy_to(self, target: Path) -> None:
        for folder, folders, names in os.walk(self._folder):
            # No rule lets anything below these in again; they are large.
            folders[:] = [name for name in folders if name not in {".git", ".venv", ".notify"}]
            for name in names:
                path = (Path(folder) / name).relative_to(self._folder)
                if self.has(path.as_posix()):
                    (target / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self._folder / path, target / path)


def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    wildcards = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wildcards.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")
