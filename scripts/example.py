#!/usr/bin/env python3
"""Installs, builds and checks the Next.js example with the client as it is. What has not changed is not done again."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from nodejs import alone, install, reinstall, run

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "nextjs"
CLIENT = ROOT / "src" / "notify" / "web" / "client"

_MADE = {"node_modules", ".next", "next-env.d.ts", "node_modules.lock", ".env", ".env.local"}


def main() -> None:
    with alone(EXAMPLE):
        build()


def build() -> None:
    client = _digest(CLIENT)
    install(EXAMPLE)
    reinstall(EXAMPLE, "@notify/client", client)
    state, built = _digest(EXAMPLE) + client, EXAMPLE / ".next" / "built.txt"
    if built.is_file() and built.read_text() == state:
        return
    run(EXAMPLE, "next/dist/bin/next", "build", environment={"NEXT_TELEMETRY_DISABLED": "1"})
    # After it: it writes down the types of the routes.
    run(EXAMPLE, "typescript/bin/tsc")
    built.write_text(state)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(folder):
        digest.update(f"{path.relative_to(folder)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _MADE:
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


if __name__ == "__main__":
    main()
