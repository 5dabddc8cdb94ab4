"""The documentation pages work offline: their scripts are ours to serve, unchanged since reviewed, and call nobody."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

VENDOR = Path(str(files("notify"))) / "web" / "vendor"
SERVED = sorted(path for path in VENDOR.rglob("*") if path.suffix in {".js", ".css"})

# Hosts that the libraries mention and never fetch. A new one fails the test: see what it is for before adding it here.
NAMESPACES = {"www.w3.org", "json-schema.org", "spec.openapis.org", "raw.githubusercontent.com", "example.com"}
LINKS_FOR_PEOPLE = {
    *("datatracker.ietf.org", "www.rfc-editor.org", "spdx.org", "swagger.io", "redocly.com", "vladimirgorej.com"),
    *("github.com", "git.io", "fb.me", "stackoverflow.com", "marked.js.org", "reactjs.org", "redux.js.org"),
    # The links that a Markdown parser makes of @mentions and #hashtags.
    *("twitter.com", "instagram.com", "soundcloud.com", "www.facebook.com", "www.tiktok.com"),
}


class Vendored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: str
    licence: str
    changes: tuple[str, ...]
    files: dict[str, str]


def manifest() -> list[Vendored]:
    return msgspec.json.decode((VENDOR / "manifest.json").read_bytes(), type=list[Vendored])


def test_the_files_are_those_of_the_manifest_byte_for_byte() -> None:
    listed = {path: digest for package in manifest() for path, digest in package.files.items()}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert found == listed


@pytest.mark.parametrize("package", manifest(), ids=lambda package: package.name)
def test_every_package_comes_with_its_licence(package: Vendored) -> None:
    assert f"{package.name}/LICENSE" in package.files
    assert package.licence
    assert package.version


@pytest.mark.parametrize("path", SERVED, ids=lambda path: path.name)
def test_no_served_file_calls_a_foreign_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    hosts = set(re.findall(r"(?:https?|wss?):(?:\\?/){2}([a-z0-9.-]+\.[a-z]{2,})", text, re.IGNORECASE))
    assert hosts - NAMESPACES - LINKS_FOR_PEOPLE == set()
    # Addresses without a scheme, where a browser would load them: in quotes, or in a stylesheet's url() and @import.
    assert re.findall(r"""["'`(]//[a-z0-9-]+(?:\.[a-z0-9-]+)+/""", text, re.IGNORECASE) == []
    if path.suffix == ".css":
        assert re.findall(r"@import|url\((?![\"']?(?:data:|#))[^)]{0,80}", text) == []


@pytest.mark.parametrize("path", SERVED, ids=lambda path: path.name)
def test_every_served_file_is_minified_and_names_no_source_map(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "sourceMappingURL" not in text[-500:]
    characters_a_line = len(text) / text.count("\n")
    assert characters_a_line > 300
