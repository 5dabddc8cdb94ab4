"""What a run has found out: the figures that are shown, compared and saved."""

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import msgspec
from msgspec import Struct, field

from notify.bench.errors import BenchError
from notify.bench.histogram import Histogram
from notify.bench.outcome import Outcome, together
from notify.bench.plan import Plan

__all__ = ("Figure", "Machine", "Report", "Result", "loaded")

_BUSY = 0.9
"""Of a core; a process that uses more of it may be late by itself."""


class Figure(Struct, frozen=True, omit_defaults=True):
    name: str
    value: float
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    breaks: bool = False
    """Anything but 0 is a broken promise of the service, and no matter of speed."""

    @classmethod
    def latencies(cls, name: str, histogram: Histogram) -> list[Self]:
        values = {"p50": histogram.percentile(0.5), "p99": histogram.percentile(0.99), "max": histogram.most}
        return [cls(f"{name} {which}", round(value / 1e6, 3), "ms", "lower") for which, value in values.items()]

    @classmethod
    def exactness(cls, outcome: Outcome) -> list[Self]:
        names = ("lost", "twice", "out of order", "broken connections")
        return [cls(name, outcome.counts[name], "", "lower", breaks=True) for name in names]


class Result(Struct, frozen=True):
    """Of one scenario."""

    scenario: str
    figures: list[Figure]
    latencies: dict[str, Histogram]
    errors: dict[str, int]
    cpu_shares: list[float]
    """The most that each process of the load generator used of a core in what was measured."""

    wait_shares: list[float]
    """The most of the time that each waited for a core."""

    @classmethod
    def of(cls, scenario: str, outcomes: Sequence[Outcome], figures: list[Figure], hidden: Container[str] = ()) -> Self:
        all_ = together(outcomes)
        cpu, waits = [each.cpu_shares for each in outcomes], [each.wait_shares for each in outcomes]
        latencies = {name: histogram for name, histogram in all_.latencies.items() if name not in hidden}
        return cls(scenario, figures, latencies, dict(all_.errors), _most(cpu), _most(waits))

    @property
    def generator_was_the_bottleneck(self) -> bool:
        return max(self.cpu_shares, default=0) > _BUSY

    @property
    def generator_was_short_of_cores(self) -> bool:
        wanted = [used + waited for used, waited in zip(self.cpu_shares, self.wait_shares, strict=True)]
        return max(wanted, default=0) > _BUSY and not self.generator_was_the_bottleneck

    @property
    def is_exact(self) -> bool:
        return not any(figure.breaks and figure.value for figure in self.figures)

    @property
    def by_name(self) -> Mapping[str, Figure]:
        return {figure.name: figure for figure in self.figures}


def _most(phases: Sequence[Sequence[float]]) -> list[float]:
    """Of each process, over the phases."""
    return [round(max(shares), 3) for shares in zip(*phases, strict=True)]


class Machine(Struct, frozen=True):
    system: str
    processor: str
    cores: int
    python: str


class Report(Struct, frozen=True):
    notify: str
    made_at: str
    target: str
    """Where the service was. Its key is kept nowhere."""

    shares_machine: bool
    """The service ran where the load generator did, and they shared its cores."""

    machine: Machine
    plan: Plan
    results: list[Result] = field(default_factory=list)
    version: Literal[1] = 1

    def json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def loaded(path: Path) -> Report:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise BenchError(f"{path} does not hold a run that `notify bench --save` has saved: {error}.") from error
