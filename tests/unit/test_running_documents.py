"""What SECURITY.md and docs/running.md name is there."""

import re
from pathlib import Path

import pytest

from notify.settings import environment_names

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "SECURITY.md", ROOT / "docs" / "running.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / link).exists(), link


def test_each_file_of_the_table_of_threats_is_there() -> None:
    named = re.findall(r"`([a-z_/]+(?:\.py|/))`", DOCUMENTS[0].read_text())
    assert len(named) > 30
    folders = (ROOT / "src" / "notify", ROOT / "tests", ROOT / "tests" / "integration")
    for name in named:
        assert any((folder / name).exists() for folder in folders), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_setting_is_one(document: Path) -> None:
    named = set(re.findall(r"\bNOTIFY_[A-Z_]+\b", document.read_text()))
    assert named <= environment_names()
