"""Producers that send without pause and remember what they were answered."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import httpx

from support.processes import ADMIN

_PAUSE_SECONDS = 0.05
_GIVE_UP_SECONDS = 15.0
"""Far past what a caller may have to wait, so that the wait is seen."""


class Producers:
    """Threads that create notifications with titles of their own for users they share. `address` says where the service
    is at the moment; it may be nowhere."""

    def __init__(self, address: Callable[[], str], users: Sequence[str], *, threads: int = 16) -> None:
        self._address = address
        self._users = users
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(threads)]
        self.statuses: Counter[int | None] = Counter()
        """How often each was answered; None: the connection broke before an answer."""

        self.sent: dict[str, tuple[set[str], int | None]] = {}
        """For each title, whom it was for, and the last answer."""

        self.wrong: list[Any] = []
        """Answers that no caller should ever get."""

        self.slowest_seconds = 0.0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_GIVE_UP_SECONDS + 5)
            assert not thread.is_alive(), "a producer hangs"

    @property
    def created(self) -> int:
        return self.statuses[201]

    def check_once(self, arrivals: Counter[tuple[str, str]]) -> None:
        """Holds the answers against what is stored: how often each (user, title) has arrived."""
        missing, twice, uninvited = [], [], set(arrivals)
        for title, (users, status) in self.sent.items():
            for user in users:
                count = arrivals[user, title]
                uninvited.discard((user, title))
                if count > 1:
                    twice.append((user, title, status, count))
                if count == 0 and status == 201:
                    missing.append((user, title))
        assert not missing, f"answered with 201 and not there: {missing[:5]}"
        assert not twice, f"there more than once: {twice[:5]}"
        assert not uninvited, f"there, but never sent: {list(uninvited)[:5]}"

    def _send(self, number: int) -> None:
        # A connection for each call: what was kept alive by a killed process is no finding.
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(headers=ADMIN, timeout=_GIVE_UP_SECONDS, limits=limits) as client:
            self._send_all(client, number)

    def _send_all(self, client: httpx.Client, number: int) -> None:
        for n in itertools.count():
            if self._stop.is_set():
                return
            title = f"{number}-{n}"
            # One after the other, several at a time, in an order of their own; every third call keyed.
            users = [self._users[(number + n * step) % len(self._users)] for step in range(1, 2 + n % 3)]
            users = list(dict.fromkeys(users))
            headers = {"Idempotency-Key": title} if n % 3 == 0 else {}
            self._until_settled(client, title, users, headers)

    def _until_settled(self, client: httpx.Client, title: str, users: list[str], headers: dict[str, str]) -> None:
        """A call with a key is sent again until it is answered for good; one without cannot be."""
        while True:
            status = self._post(client, title, users, headers)
            with self._lock:
                self.statuses[status] += 1
                self.sent[title] = (set(users), status)
            if status == 201 or not headers or self._stop.wait(_PAUSE_SECONDS):
                return

    def _post(self, client: httpx.Client, title: str, users: list[str], headers: dict[str, str]) -> int | None:
        started = time.monotonic()
        try:
            address = f"{self._address()}/v1/notifications"
            answer = client.post(address, json={"to": users, "title": title}, headers=headers)
        except httpx.TimeoutException:
            self.wrong.append((title, f"no answer within {_GIVE_UP_SECONDS} s"))
            return None
        except httpx.TransportError:
            self._stop.wait(_PAUSE_SECONDS)
            return None
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
        if answer.status_code not in {201, 409, 503} or (
            answer.status_code != 201 and not answer.headers.get("Retry-After")
        ):
            self.wrong.append((title, answer.status_code, answer.text))
        if answer.status_code != 201:
            self._stop.wait(_PAUSE_SECONDS)
        return answer.status_code
