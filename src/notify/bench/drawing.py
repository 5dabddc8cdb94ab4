"""A report for a reader at a terminal of 80 columns: a table, histograms, and the difference to an earlier run."""

import math
from collections.abc import Iterator, Sequence

import msgspec

from notify.bench.histogram import Histogram
from notify.bench.result import Figure, Report, Result

__all__ = ("drawn", "drawn_histogram")

_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_NAME, _VALUE = 26, 14
_NOTABLE = 0.05
"""Less than this is noise, and called neither better nor worse."""

_STEPS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))
_MOST_BARS = 12


def drawn(report: Report, earlier: Report | None = None) -> str:
    lines = [*_heading(report)]
    if earlier is not None:
        lines += [f"against the run of {earlier.made_at}", *_differences(report, earlier)]
    for result in report.results:
        before = None if earlier is None else _of_scenario(earlier, result.scenario)
        lines += ["", *_table(result, before, compares=earlier is not None)]
        for name, histogram in result.latencies.items():
            if histogram.count:
                lines += ["", f"  {result.scenario}: {name}", *drawn_histogram(histogram)]
    lines += ["", *_remarks(report)]
    return "\n".join(lines).rstrip("\n")


def drawn_histogram(histogram: Histogram) -> list[str]:
    """A bar for each of some round steps, from the fastest to the slowest."""
    bounds = _bounds(histogram.least, histogram.most)
    passed = 0
    counts: list[int] = []
    for bound in bounds[:-1]:
        upto = histogram.up_to(bound)
        counts.append(upto - passed)
        passed = upto
    counts.append(histogram.count - passed)
    longest = max(counts)
    return [
        f"  ≤ {_duration(bound):>8} {_bar(count / longest):<{_BAR}} {count:>10,} {count / histogram.count:>6.1%}"
        for bound, count in zip(bounds, counts, strict=True)
    ]


def _heading(report: Report) -> Iterator[str]:
    machine, plan = report.machine, report.plan
    yield f"notify {report.notify} at {report.target}, {report.made_at}"
    processor = machine.processor or "an unknown processor"
    yield f"{machine.cores} cores of {processor}, {machine.system}, Python {machine.python}"
    yield (
        f"{plan.connections:,} connections, {plan.rate:g}/s, {plan.duration:g} s, "
        f"{plan.processes} process{'es' if plan.processes > 1 else ''} of load"
    )


def _table(result: Result, earlier: Result | None, *, compares: bool) -> Iterator[str]:
    head = f"{result.scenario:<{_NAME}}{'now' if compares else '':>{_VALUE}}"
    yield f"{head}{'earlier':>{_VALUE}}{'ratio':>8}" if earlier is not None else head.rstrip()
    for figure in result.figures:
        line = f"  {figure.name:<{_NAME - 2}}{_value(figure):>{_VALUE}}"
        before = earlier.by_name.get(figure.name) if earlier is not None else None
        if before is not None:
            line += f"{_value(before):>{_VALUE}}{_ratio(figure, before)}"
        yield line.rstrip()


def _value(figure: Figure) -> str:
    value = figure.value
    if value == round(value) and figure.unit != "ms":
        number = f"{value:,.0f}"
    else:
        number = f"{value:,.{max(0, min(2, 3 - _digits(value)))}f}"
    return f"{number} {figure.unit:<2}" if figure.unit else f"{number}   "


def _digits(value: float) -> int:
    return len(str(int(abs(value))))


def _ratio(now: Figure, earlier: Figure) -> str:
    if not now.better or not earlier.value:
        return ""
    ratio = now.value / earlier.value
    if abs(ratio - 1) < _NOTABLE:
        return f"{ratio:>8.2f}"
    word = "better" if (ratio > 1) == (now.better == "higher") else "worse"
    return f"{ratio:>8.2f} {word}"


def _differences(report: Report, earlier: Report) -> Iterator[str]:
    """Why the figures may not be comparable."""
    before, now = msgspec.structs.asdict(earlier.plan), msgspec.structs.asdict(report.plan)
    for name, value in now.items():
        if before[name] != value:
            yield f"  not the same: --{name} was {before[name]:g} and is {value:g}"
    if earlier.machine != report.machine:
        yield "  not the same: the machine of the load generator, or its Python"
    if earlier.target != report.target and not (earlier.shares_machine and report.shares_machine):
        yield f"  not the same: the service was at {earlier.target}"
    scenarios = [result.scenario for result in report.results]
    for name in scenarios:
        if _of_scenario(earlier, name) is None:
            yield f"  {name} is not in the earlier run"
    for result in earlier.results:
        if result.scenario not in scenarios:
            yield f"  {result.scenario} is in the earlier run only"


def _remarks(report: Report) -> Iterator[str]:
    for result in report.results:
        for error, count in result.errors.items():
            yield f"{result.scenario}: {count:,} times {error}"
        if result.generator_was_the_bottleneck:
            yield (
                f"{result.scenario}: the load generator was the bottleneck: a process of it used "
                f"{max(result.cpu_shares):.0%} of a core. Use more --processes, or a machine with more cores."
            )
        if result.generator_was_short_of_cores:
            yield (
                f"{result.scenario}: the load generator was held up: a process of it waited for a core "
                f"{max(result.wait_shares):.0%} of the time. Run it on another machine, or with less beside it."
            )
        if not result.is_exact:
            yield f"{result.scenario}: not everything arrived exactly once and in order on every connection."
    if report.shares_machine:
        shares = [max(result.cpu_shares, default=0) for result in report.results]
        yield (
            f"The service and the load generator shared this machine; a process of the latter used "
            f"{max(shares, default=0):.0%} of a core at most."
        )


def _of_scenario(report: Report, name: str) -> Result | None:
    return next((result for result in report.results if result.scenario == name), None)


def _bounds(least: int, most: int) -> Sequence[float]:
    """The finest that do not fill the screen."""
    for steps in _STEPS[:-1]:
        bounds = _stepwise(steps, max(least, 1), max(most, 1))
        if len(bounds) <= _MOST_BARS:
            return bounds
    return _stepwise(_STEPS[-1], max(least, 1), max(most, 1))


def _stepwise(steps: Sequence[float], least: int, most: int) -> Sequence[float]:
    exponents = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    bounds = [step * 10.0**exponent for exponent in exponents for step in steps]
    first = next(place for place, bound in enumerate(bounds) if bound >= least)
    last = next(place for place, bound in enumerate(bounds) if bound >= most)
    return bounds[first : last + 1]


def _bar(share: float) -> str:
    eighths = math.ceil(share * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _duration(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:g} {unit}"
    return f"{nanoseconds:g} ns"
