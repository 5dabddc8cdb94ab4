"""A running service whose database can be taken away from it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from support.invariants import check_inboxes, check_positions, keep_history
from support.processes import NotifyProcess
from support.proxy import Proxy
from support.servers import TestServer

__all__ = ("Stand", "standing")


class Stand:
    """A database that keeps its history, and service processes on it, each behind a proxy of its own."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self.proxies: list[Proxy] = []
        self.processes: list[NotifyProcess] = []
        self.clients: list[httpx.Client] = []
        self.reported = 0
        self._stack = stack

    @property
    def proxy(self) -> Proxy:
        return self.proxies[0]

    @property
    def client(self) -> httpx.Client:
        return self.clients[0]

    def start(self, **environment: str) -> NotifyProcess:
        proxy = self._stack.enter_context(Proxy(self.url))
        process = NotifyProcess({"NOTIFY_DATABASE_URL": proxy.url, **environment})
        self._stack.callback(process.stop)
        self.proxies.append(proxy)
        self.processes.append(process)
        self.clients.append(self._stack.enter_context(process.client()))
        return process

    @property
    def errors(self) -> list[str]:
        """What the processes have logged that nobody foresaw."""
        return [_told(line) for process in self.processes for line in process.log if '"level":"error"' in line]

    def check(self) -> None:
        check_inboxes(self.url)
        check_positions(self.url)


def _told(line: str) -> str:
    """A log line of JSON, as short as its exceptions allow."""
    told = json.loads(line)
    return "; ".join(
        [
            told["event"],
            *(
                f"{each['exc_type']}: {each['exc_value']} in"
                f" {' < '.join(frame['name'] for frame in reversed(each['frames'][-6:]))}"
                for each in told.get("exception", [])
            ),
        ]
    )


@contextmanager
def standing(server: TestServer) -> Iterator[Stand]:
    with server.database() as url, ExitStack() as stack:
        keep_history(url)
        yield Stand(url, stack)
