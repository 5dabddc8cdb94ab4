"""`make` tells a newcomer what there is to do, and `make check` leaves out nothing that CI should see."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def make(*arguments: str) -> str:
    # Without the flags of a `make` that may be running these tests.
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    ).stdout


def test_make_alone_lists_every_task_in_one_line_each() -> None:
    tasks = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert tasks
    lines = make().splitlines()
    assert [line.split()[1] for line in lines] == tasks[1].split()
    assert all(len(line) <= 120 for line in lines)


def test_check_calls_the_same_test_command_that_the_readme_names() -> None:
    planned = make("--dry-run", "--always-make", "check")
    assert re.search(r"python -m pytest\s*$", planned, re.MULTILINE)
    for program in ("uv lock --check", "ruff format --check", "ruff check", "mypy", "basedpyright", "lint-imports"):
        assert program in planned


def test_a_python_that_is_too_old_is_refused_with_a_way_out(tmp_path: Path) -> None:
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    command = ["make", "--directory", str(tmp_path), "lint", "PYTHON=false"]
    run = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "Python 3.11 or newer" in run.stderr
    assert not (tmp_path / ".venv").exists()
