#!/usr/bin/env python3
"""Fetches what the documentation pages need to work offline, at the pinned versions, and writes the manifest.

To update: change a version below, run `make vendor`, read the diff of the manifest, run the tests.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

VENDOR = Path(__file__).parent.parent / "src" / "notify" / "web" / "vendor"


@dataclass(frozen=True)
class Edit:
    """A change to a published file: `old` must occur, else the version is not the one this edit was written for."""

    file: str
    old: str
    new: str
    reason: str


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str
    files: tuple[str, ...]
    """Patterns inside the npm package; the files land flat in one folder."""

    edits: tuple[Edit, ...] = ()


PACKAGES = (
    Package(
        name="swagger-ui-dist",
        version="5.35.0",
        licence="Apache-2.0",
        files=("LICENSE", "NOTICE", "swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt"),
        edits=(
            Edit(
                file="swagger-ui-bundle.js",
                old='"https://validator.swagger.io/validator"',
                new="null",
                reason="by default it tells a foreign server the address of the API description",
            ),
        ),
    ),
    # Not 3.x: that one sends telemetry and loads icons from its makers' servers.
    Package(
        name="redoc",
        version="2.5.4",
        licence="MIT",
        files=(
            "LICENSE",
            "bundles/redoc.standalone.js",
            "bundles/redoc.standalone.js.LICENSE.txt",
            "bundles/*.worker.js.LICENSE.txt",
        ),
        edits=(
            Edit(
                file="redoc.standalone.js",
                old='"https://cdn.redoc.ly/redoc/logo-mini.svg"',
                new='"data:,"',
                reason="the page would load its makers' logo from their server",
            ),
        ),
    ),
)

_SOURCE_MAP = re.compile(r"\n?(?://[#@] sourceMappingURL=\S+|/\*[#@] sourceMappingURL=\S+ ?\*/)\s*$")


def main() -> None:
    manifest: list[dict[str, object]] = []
    for package in PACKAGES:
        files = {name: _edited(package, name, content) for name, content in sorted(_published(package).items())}
        folder = VENDOR / package.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        manifest.append(
            {
                "name": package.name,
                "version": package.version,
                "licence": package.licence,
                "changes": ["no reference to a source map", *(f"{edit.file}: {edit.reason}" for edit in package.edits)],
                "files": {
                    f"{package.name}/{name}": hashlib.sha256(content).hexdigest() for name, content in files.items()
                },
            }
        )
    (VENDOR / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _published(package: Package) -> dict[str, bytes]:
    """The wanted files as npm has them; npm checks the archive against the registry's own digest."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{package.name}@{package.version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  the arguments are the pins above
        (archive,) = Path(folder).glob("*.tgz")
        found: dict[str, bytes] = {}
        with tarfile.open(archive) as members:
            for member in members:
                path = PurePosixPath(member.name).relative_to("package")
                content = members.extractfile(member)
                if content is not None and any(path.match(wanted) for wanted in package.files):
                    found[path.name] = content.read()
    for wanted in package.files:
        if not any(PurePosixPath(name).match(PurePosixPath(wanted).name) for name in found):
            raise SystemExit(f"{package.name} {package.version} has no file {wanted}: adapt the list in {__file__}")
    return found


def _edited(package: Package, name: str, content: bytes) -> bytes:
    if not name.endswith((".js", ".css")):
        return content
    text = _SOURCE_MAP.sub("\n", content.decode())
    for edit in package.edits:
        if edit.file != name:
            continue
        if edit.old not in text:
            raise SystemExit(f"{name} of {package.name} {package.version} has no {edit.old} any more: review its edit")
        # The Apache licence wants a changed file to say so.
        text = f"/*! Changed for notify, because {edit.reason}. */\n{text.replace(edit.old, edit.new)}"
    return text.encode()


if __name__ == "__main__":
    main()
