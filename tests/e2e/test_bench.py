"""`notify bench` against a real service: every scenario in small."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notify.bench.plan import SCENARIOS
from support.command import environment_with, notify
from support.processes import ADMIN_KEY, NotifyProcess
from support.servers import reachable_folder
from support.waiting import until

Bench = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("--connections", "6", "--duration", "0.5", "--rate", "40")
EXACT = ("lost", "twice", "out of order", "broken connections")


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    with NotifyProcess({"NOTIFY_DATABASE_URL": database, "NOTIFY_DRAIN_SECONDS": "0.1"}) as service:
        yield service


@pytest.fixture
def bench(service: NotifyProcess, tmp_path: Path) -> Bench:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        there = {"NOTIFY_URL": service.url, "NOTIFY_API_KEY": ADMIN_KEY}
        return notify("bench", *arguments, folder=tmp_path, **there | variables)

    return run


def figures_of(result: dict[str, Any]) -> dict[str, float]:
    return {figure["name"]: figure["value"] for figure in result["figures"]}


def test_every_scenario_runs_with_several_processes_and_its_figures_make_sense(bench: Bench) -> None:
    done = bench(*SMALL, "--processes", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["plan"] == {
        "connections": 6,
        "rate": 40.0,
        "duration": 0.5,
        "handshakes": 256,
        "processes": 2,
    }
    results = {result["scenario"]: result for result in report["results"]}
    assert tuple(results) == SCENARIOS
    for result in results.values():
        figures = figures_of(result)
        assert not any(figures.get(name) for name in EXACT)
        assert not result["errors"]
        assert len(result["cpu_shares"]) == 2
        for name, value in figures.items():
            if name.endswith(" p50"):
                whole = name.removesuffix(" p50")
                assert 0 < value <= figures[f"{whole} p99"] <= figures[f"{whole} max"] < 30_000
    assert results["fanout"]["latencies"].popitem()[1]["count"] == 5 * 6
    assert results["connect"]["latencies"]["connect"]["count"] == 6
    assert results["resume"]["latencies"]["caught up"]["count"] == 6
    assert {histogram["count"] for histogram in results["deliver"]["latencies"].values()} == {20}
    assert 0 < figures_of(results["deliver"])["created"] <= 45
    for name in ("lists", "unchanged (304)"):
        assert figures_of(results["list"])[name] > 1


def test_a_saved_run_is_compared_with(bench: Bench, tmp_path: Path) -> None:
    saved = tmp_path / "run.json"
    first = bench("connect", *SMALL, "--save", str(saved))
    assert first.returncode == 0, first.stderr
    assert "connect p50" in first.stdout
    assert ADMIN_KEY not in saved.read_text()
    second = bench("connect", "list", *SMALL, "--against", str(saved))
    assert second.returncode == 0, second.stderr
    (head,) = [line for line in second.stdout.splitlines() if line.endswith("ratio")]
    assert head.split() == ["connect", "now", "earlier", "ratio"]
    assert "list is not in the earlier run" in second.stdout
    assert second.stderr.startswith("connect")


def test_one_service_of_its_own_is_started_and_stopped_where_none_runs(tmp_path: Path) -> None:
    done = notify("bench", "list", *SMALL, folder=tmp_path, NOTIFY_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "starting a service" in done.stderr
    assert "unchanged p99" in done.stdout
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        ([], {"NOTIFY_API_KEY": "nk_wrong"}, "refuses the key"),
        ([], {"NOTIFY_URL": "http://127.0.0.1:1"}, "cannot be reached"),
        ([], {"NOTIFY_URL": "ftp://127.0.0.1"}, "has to be one such as"),
        ([], {"NOTIFY_API_KEY": ""}, "Set both NOTIFY_URL and NOTIFY_API_KEY"),
        (["--connections", "900000"], {}, "do not fit"),
        (["--against", "missing.json"], {}, "missing.json: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_what_to_do(
    bench: Bench, arguments: list[str], variables: dict[str, str], words: str
) -> None:
    done = bench(*arguments, **variables)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("notify: ")
    assert words in last
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_saved_run_is_not_compared_with(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    done = bench("--against", "other.json")
    assert done.returncode == 1
    assert "does not hold a run" in done.stderr


def test_a_service_elsewhere_is_put_under_load_only_when_asked_to(bench: Bench) -> None:
    done = bench(NOTIFY_URL="http://192.0.2.1:9")
    assert done.returncode == 1
    assert "is not on this machine" in done.stderr
    assert "Aborted" in done.stderr


def test_a_result_that_cannot_be_saved_is_shown_all_the_same(bench: Bench) -> None:
    done = bench("list", *SMALL, "--save", "no/such/folder")
    assert done.returncode == 1
    assert "list p50" in done.stdout
    assert "the result was not saved" in done.stderr


def test_what_a_service_refuses_under_load_is_counted_and_told(database: str, tmp_path: Path) -> None:
    environment = {"NOTIFY_DATABASE_URL": database, "NOTIFY_DRAIN_SECONDS": "0.1", "NOTIFY_WRITE_QUEUE_ROWS": "1"}
    with NotifyProcess(environment) as narrow:
        there = {"NOTIFY_URL": narrow.url, "NOTIFY_API_KEY": ADMIN_KEY}
        small = ("--connections", "4", "--duration", "0.3", "--rate", "3000")
        done = notify("bench", "deliver", *small, folder=tmp_path, **there)
    assert done.returncode == 0, done.stderr
    assert " times 503 " in done.stdout


def test_other_commands_do_not_wait_for_its_import(tmp_path: Path) -> None:
    code = "import sys, notify.cli.main; print([name for name in sys.modules if name.startswith('notify.bench')])"
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "[]\n"
    shown = notify("bench", "--help", folder=tmp_path).stdout
    assert "\n  resume   all streams lost at once" in shown


def test_a_comparison_is_for_readers(bench: Bench) -> None:
    assert bench("--json", "--against", "run.json").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_neither_processes_nor_data(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "notify", "bench", "deliver", "--fresh", "--connections", "4", "--duration", "60"]
    with (
        reachable_folder() as folder,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment_with({"TMPDIR": str(folder)}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as bench,
    ):
        assert bench.stderr is not None
        for line in bench.stderr:
            if "creating" in line:
                break
        # To all, as a terminal does.
        os.killpg(bench.pid, number)
        _, log = bench.communicate(timeout=40)
        assert bench.returncode == (1 if number == signal.SIGINT else 128 + number), log
        assert "Traceback" not in log
        assert not list(folder.iterdir())
    until(lambda: not is_alive(bench.pid), what="the end of the last process")


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
