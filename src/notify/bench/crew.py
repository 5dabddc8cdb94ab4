"""The processes of the load generator, kept in step: each phase begins when all have finished the one before."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Self, cast

from notify.bench.errors import BenchError
from notify.bench.load import Share
from notify.bench.outcome import Outcome, together
from notify.bench.plan import Plan
from notify.bench.target import Target
from notify.progress import Progress

__all__ = ("Crew",)

_STOP_SECONDS = 5.0


class Crew:
    """As a context: the processes live as long as it."""

    def __init__(
        self,
        work: Callable[[Connection, Share], None],
        target: Target,
        run: str,
        plan: Plan,
        progress: Progress,
    ) -> None:
        self.plan = plan
        self._work = work
        self._shares = [Share(target, run, plan, place, plan.processes) for place in range(plan.processes)]
        self._progress = progress
        self._scenario = ""
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []

    def __enter__(self) -> Self:
        spawn = multiprocessing.get_context("spawn")
        for share in self._shares:
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=self._work, args=(theirs, share), name="notify bench", daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)  # pyright: ignore[reportArgumentType] - of another kind on Windows
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._progress.end()
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            if kind is not None:
                process.terminate()  # it may be in the middle of a phase
        for process in self._processes:
            process.join(_STOP_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()

    def begin(self, scenario: str) -> None:
        """What the phases from now on are of; whatever was open before is closed."""
        self._scenario = scenario
        self._progress.begin(scenario, None)
        self._all_do(f"begin {scenario}")

    def phase(self, name: str, label: str, total: int | None) -> Outcome:
        """Returns what all have seen of it. `total` is what all together are to reach, where that is known."""
        self._progress.begin(f"{self._scenario}: {label}", total)
        return together(self._all_do(name))

    def _all_do(self, order: str) -> list[Outcome]:
        for pipe in self._pipes:
            pipe.send(order)
        done: dict[Connection, int] = {}
        outcomes: dict[Connection, Outcome] = {}
        while len(outcomes) < len(self._pipes):
            waiting = [pipe for pipe in self._pipes if pipe not in outcomes]
            for pipe in cast(list[Connection], wait(waiting)):
                match _received(pipe):
                    case int(count):
                        done[pipe] = count
                        self._progress.at(sum(done.values()))
                    case Outcome() as outcome:
                        outcomes[pipe] = outcome
                    case reason:
                        raise BenchError(str(reason))
        return [outcomes[pipe] for pipe in self._pipes]


def _received(pipe: Connection) -> object:
    try:
        return pipe.recv()
    except EOFError:
        return "A process of the load generator has died; the lines above may say why."
