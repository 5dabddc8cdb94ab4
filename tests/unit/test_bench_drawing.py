"""What the bench shows fits a terminal of 80 columns and says what differs."""

import io
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from notify.bench.drawing import drawn, drawn_histogram
from notify.bench.histogram import Histogram
from notify.bench.plan import Plan
from notify.bench.result import Figure, Machine, Report, Result
from notify.progress import Progress

MACHINE = Machine("Linux x86_64", "A processor", 4, "3.11")


def histogram(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def result(scenario: str = "list", **changes: object) -> Result:
    figures = [
        Figure("lists", 1000.0, "/s", "higher"),
        Figure("list p50", 2.5, "ms", "lower"),
        Figure("lost", 0, "", "lower", breaks=True),
    ]
    made = Result(scenario, figures, {"list": histogram([1_000_000, 2_000_000, 9_000_000])}, {}, [0.2], [0.1])
    return msgspec.structs.replace(made, **changes)


def report(*results: Result, plan: Plan = Plan(processes=1), **changes: object) -> Report:  # noqa: B008 - frozen
    made = Report("0.1", "2026-01-01", "http://127.0.0.1", shares_machine=False, machine=MACHINE, plan=plan)
    return msgspec.structs.replace(made, results=list(results), **changes)


def lines_with(word: str, text: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_the_bars_fit_and_their_counts_add_up(values: list[int]) -> None:
    bars = drawn_histogram(histogram(values))
    assert 1 <= len(bars) <= 15
    assert all(len(bar) <= 80 for bar in bars)
    assert sum(int(bar.split()[-2].replace(",", "")) for bar in bars) == len(values)
    assert any("█" * 40 in bar for bar in bars)


def test_a_report_names_each_figure_with_its_unit_and_fits() -> None:
    text = drawn(report(result()))
    (lists,) = lines_with("lists", text)
    assert lists.split() == ["lists", "1,000", "/s"]
    assert lines_with("list p50", text)[0].split() == ["list", "p50", "2.50", "ms"]
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_comparison_puts_the_earlier_figure_beside_the_new_one_and_says_which_is_better() -> None:
    faster = result(figures=[Figure("lists", 1500.0, "/s", "higher"), Figure("list p50", 5.0, "ms", "lower")])
    text = drawn(report(faster), report(result()))
    assert lines_with("lists", text)[0].split() == ["lists", "1,500", "/s", "1,000", "/s", "1.50", "better"]
    assert lines_with("list p50", text)[0].split() == ["list", "p50", "5.00", "ms", "2.50", "ms", "2.00", "worse"]
    assert "not the same" not in text
    same = drawn(report(result()), report(result()))
    assert lines_with("lists", same)[0].endswith("1.00")


def test_runs_that_cannot_be_compared_are_said_to_be_different() -> None:
    earlier = report(result("list"), result("resume"), target="http://there", plan=Plan(connections=7, processes=1))
    text = drawn(report(result("list"), result("connect"), machine=Machine("", "", 1, "")), earlier)
    assert "--connections was 7 and is 500" in text
    assert "connect is not in the earlier run" in text
    assert "resume is in the earlier run only" in text
    assert "the service was at http://there" in text
    assert "the machine of the load generator" in text


def test_a_load_generator_at_its_limit_an_error_and_a_broken_promise_are_said() -> None:
    broken = result(
        cpu_shares=[0.3, 0.97], wait_shares=[0, 0], errors={"503 Busy": 12}, figures=[Figure("lost", 2, breaks=True)]
    )
    text = drawn(report(broken, shares_machine=True))
    assert "list: the load generator was the bottleneck: a process of it used 97% of a core" in text
    assert "list: 12 times 503 Busy" in text
    assert "not everything arrived exactly once" in text
    assert "shared this machine" in text
    text = drawn(report(result()))
    assert "bottleneck" not in text
    assert "held up" not in text


def test_a_load_generator_that_found_no_core_to_run_on_is_said_to_be_held_up() -> None:
    text = drawn(report(result(cpu_shares=[0.4], wait_shares=[0.55])))
    assert "list: the load generator was held up: a process of it waited for a core 55% of the time" in text
    assert "bottleneck" not in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_changes_and_is_gone_in_the_end() -> None:
    screen, now = Terminal(), [0.0]
    progress = Progress(screen, lambda: now[0])
    progress.begin("connect: connecting", 2000)
    now[0] = 0.01
    progress.at(5)
    now[0] = 0.2
    progress.at(1000)
    progress.end()
    shown = re.split(r"\r\x1b\[2K", screen.getvalue())
    assert shown == ["", "connect: connecting", "connect: connecting [##########..........] 1,000 of 2,000", ""]


def test_elsewhere_a_line_comes_every_few_seconds() -> None:
    log, now = io.StringIO(), [0]
    progress = Progress(log, lambda: now[0])
    progress.begin("list: listing", None)
    for now[0] in range(8):
        progress.at(now[0])
    progress.end()
    assert log.getvalue().splitlines() == ["list: listing", "list: listing 3", "list: listing 6"]
