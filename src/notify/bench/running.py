"""A whole run: the scenarios one after another, on one set of processes."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from notify import __version__
from notify.bench.connect import connect
from notify.bench.crew import Crew
from notify.bench.deliver import deliver
from notify.bench.fanout import fanout
from notify.bench.listing import listing
from notify.bench.machine import this_machine
from notify.bench.plan import Plan, ScenarioName
from notify.bench.result import Report, Result
from notify.bench.resume import resume
from notify.bench.target import Target
from notify.bench.worker import work
from notify.progress import Progress

__all__ = ("run",)

_SCENARIOS: Mapping[ScenarioName, Callable[[Crew], Result]] = {
    "fanout": fanout,
    "deliver": deliver,
    "connect": connect,
    "resume": resume,
    "list": listing,
}


def run(target: Target, plan: Plan, scenarios: Sequence[ScenarioName], progress: Progress) -> Report:
    name = secrets.token_hex(4)
    target.check(f"bench-{name}")
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    report = Report(__version__, made_at, target.url, target.is_local, this_machine(), plan)
    with Crew(work, target, name, plan, progress) as crew:
        for scenario in scenarios:
            crew.begin(scenario)
            report.results.append(_SCENARIOS[scenario](crew))
    return report
