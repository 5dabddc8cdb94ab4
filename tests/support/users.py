"""A user of a test's own, and the calls that most tests of the live transports make for them."""

import itertools
from typing import Any

import httpx

from support.processes import ADMIN, NotifyProcess
from support.sockets import Message, seq_of

__all__ = ("User",)

_numbers = itertools.count(1)


class User:
    """Somebody nobody else knows, on two processes that share a database."""

    def __init__(self, services: list[NotifyProcess], database_url: str) -> None:
        self.name = f"user-{next(_numbers)}"
        self.urls = [service.url for service in services]
        self.database_url = database_url
        self.client = httpx.Client(base_url=self.urls[0], headers=ADMIN, timeout=15)

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def query(self) -> dict[str, str]:
        return {"user_id": self.name}

    def token(self, **fields: Any) -> str:
        token: str = self.post("/v1/tokens", user_id=self.name, **fields)["token"]
        return token

    def send(self, title: str = "a title", **fields: Any) -> Message:
        item: Message = self.post("/v1/notifications", to=self.name, title=title, **fields)["items"][0]
        return item

    def send_many(self, number: int, **fields: Any) -> str:
        """Creates so many, titled by their number; the last one's position."""
        items = [{"to": self.name, "title": str(n), **fields} for n in range(1, number + 1)]
        answers = self.post("/v1/notifications/batch", items=items)["items"]
        positions: list[str] = [answer["items"][0]["position"] for answer in answers]
        return max(positions, key=seq_of)

    def mark(self, id_: str, mark: str) -> Message:
        return self.post(f"/v1/notifications/{id_}/{mark}")

    def listed(self, status: str = "all") -> list[Message]:
        """Newest first."""
        items: list[Message] = []
        query = {**self.query, "status": status, "limit": "100"}
        while True:
            page = self.client.get("/v1/notifications", params=query).json()
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            query["cursor"] = page["next_cursor"]

    def sessions(self) -> list[Message]:
        found: list[Message] = self.client.get("/v1/sessions", params=self.query).json()["items"]
        return found

    def counted(self) -> Message:
        counted: Message = self.client.get("/v1/notifications/count", params=self.query).json()
        return counted

    def post(self, path: str, **body: Any) -> Message:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        answered: Message = answer.json()
        return answered
