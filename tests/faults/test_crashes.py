"""`kill -9` of everything that can be killed, while creates are under way."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from notify.store.embedded import EmbeddedPostgres
from notify.store.embedded.postmaster import Postmaster
from support.invariants import check_inboxes, check_positions, history, keep_history, rows
from support.processes import NotifyProcess
from support.servers import DurableServer, TestServer, durable_server, reachable_folder
from support.stand import Stand, standing
from support.traffic import Producers
from support.waiting import until

USERS = [f"user-{n}" for n in range(8)]
LONGEST_SECONDS = 5.0


def arrivals(url: str) -> Counter[tuple[str, str]]:
    return Counter((row["user_id"], row["title"]) for row in history(url) if row["arrived"])


def check(url: str, producers: Producers) -> None:
    assert not producers.wrong, producers.wrong[:5]
    producers.check_once(arrivals(url))
    check_inboxes(url)
    check_positions(url)


def after(producers: Producers, more: int) -> None:
    """Until so many more creates are answered."""
    enough = producers.created + more
    until(lambda: producers.created >= enough, 30, what=f"{more} more creates")


@pytest.fixture
def own_server() -> Iterator[DurableServer]:
    with durable_server() as server:
        yield server


@contextmanager
def serving(**environment: str) -> Iterator[NotifyProcess]:
    process = NotifyProcess(environment)
    try:
        yield process
    finally:
        process.stop()


def test_what_a_killed_service_has_answered_is_there_once(embedded_server: TestServer) -> None:
    with standing(embedded_server) as stand:
        stand.start()
        with Producers(lambda: stand.processes[-1].url, USERS) as producers:
            for _ in range(2):
                after(producers, 50)
                stand.processes[-1].kill()
                stand.start()
            after(producers, 50)
        check(stand.url, producers)
        assert not errors_in(stand)


def errors_in(stand: Stand) -> list[str]:
    return [line for process in stand.processes for line in process.log if '"level":"error"' in line]


def check_that_it_survives(server: DurableServer, blow: Callable[[Producers], None]) -> None:
    """Two blows to the database with creates before and after: what was answered is there once, and nobody waits."""
    with (
        serving(NOTIFY_DATABASE_URL=server.url) as service,
        Producers(lambda: service.url, USERS) as producers,
    ):
        for _ in range(2):
            after(producers, 50)
            blow(producers)
        after(producers, 50)
    check(server.url, producers)
    assert producers.slowest_seconds < LONGEST_SECONDS


def test_what_was_answered_before_postgresql_was_killed_is_there_once_and_the_service_comes_back(
    own_server: DurableServer,
) -> None:
    def kill_postgresql(producers: Producers) -> None:
        told = producers.statuses[503]
        own_server.end(signal.SIGKILL)
        until(lambda: producers.statuses[503] > told, what="a caller who is told")
        own_server.start_again()

    check_that_it_survives(own_server, kill_postgresql)


def test_what_was_answered_before_a_backend_was_killed_is_there_once_and_the_service_comes_back(
    own_server: DurableServer,
) -> None:
    """PostgreSQL then ends every other backend and recovers by itself."""
    check_that_it_survives(own_server, lambda _: kill_a_backend(own_server.url))


def kill_a_backend(url: str) -> None:
    def find() -> int:
        found = rows(
            url,
            "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend'"
            " AND datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '-- create:%%'",
        )
        return int(found[0]["pid"]) if found else 0

    os.kill(until(find, what="a backend that creates"), signal.SIGKILL)


def test_a_killed_service_finds_its_embedded_database_running_and_whole() -> None:
    with reachable_folder() as folder, ExitStack() as stack:
        data = folder / "data"
        processes = [NotifyProcess({"NOTIFY_DATA_DIR": str(data)})]

        def stop() -> None:
            processes[-1].stop()

        stack.callback(stop)
        url = embedded_url(data)
        keep_history(url)
        postgresql = postmaster_of(data)
        with Producers(lambda: processes[-1].url, USERS, threads=8) as producers:
            after(producers, 50)
            processes[-1].kill()
            assert postmaster_of(data) == postgresql, "PostgreSQL outlives a killed service"
            processes.append(NotifyProcess({"NOTIFY_DATA_DIR": str(data)}))
            assert postmaster_of(data) == postgresql, "and is taken over by the next"
            after(producers, 50)
        check(url, producers)


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_a_service_told_to_stop_stops_its_database_finishes_what_it_began_and_exits_with_0(how: str) -> None:
    with reachable_folder() as folder:
        data = folder / "data"
        process = NotifyProcess({"NOTIFY_DATA_DIR": str(data)})
        keep_history(embedded_url(data))
        with Producers(lambda: process.url, USERS, threads=8) as producers:
            after(producers, 50)
            if how == "Ctrl-C":
                # A terminal sends it to the whole process group.
                os.killpg(process.process.pid, signal.SIGINT)
            assert process.stop(signal.SIGTERM) == 0
        errors = [line for line in process.log if '"level":"error"' in line]
        assert not errors, "\n".join(errors)
        assert Postmaster.running(data / "postgresql") is None
        with serving(NOTIFY_DATA_DIR=str(data)):
            check(embedded_url(data), producers)


def embedded_url(data: Path) -> str:
    postgres = EmbeddedPostgres(data)
    assert postgres.attach()
    return postgres.url


def postmaster_of(data: Path) -> int:
    postmaster = Postmaster.running(data / "postgresql")
    assert postmaster is not None
    return postmaster.pid
