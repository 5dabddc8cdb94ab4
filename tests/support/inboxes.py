"""The service behind a website, and its users as their application sees them."""

import signal
from typing import Any
from urllib.parse import urlsplit

from support.processes import NotifyProcess
from support.websites import SECRET, Website

__all__ = ("Inbox", "Service")


class Service:
    """One that comes back at the same address."""

    def __init__(self, database_url: str, website: Website) -> None:
        self._environment = {
            "NOTIFY_DATABASE_URL": database_url,
            "NOTIFY_JWT_SECRET": SECRET,
            "NOTIFY_CORS_ORIGINS": website.url,
            "NOTIFY_DRAIN_SECONDS": "0.2",
        }
        self.process = NotifyProcess(self._environment)
        self.url = self.process.url
        self._environment["PORT"] = str(urlsplit(self.url).port)

    def restart(self, number: signal.Signals) -> None:
        self.process.stop(number)
        self.process = NotifyProcess(self._environment)


class Inbox:
    """A user of a test's own, and what happens to them."""

    def __init__(self, service: Service, user: str) -> None:
        self.service = service
        self.user = user

    def send(self, title: str, **fields: Any) -> str:
        answer = self._call("POST", "/v1/notifications", json={"to": self.user, "title": title, **fields})
        id_: str = answer["id"]
        return id_

    def send_many(self, titles: list[str]) -> None:
        items = [{"to": self.user, "title": title} for title in titles]
        self._call("POST", "/v1/notifications/batch", json={"items": items})

    def post(self, path: str, **body: Any) -> None:
        self._call("POST", path, params={"user_id": self.user}, json=body or None)

    def counted(self) -> dict[str, int]:
        counted = self._call("GET", "/v1/notifications/count", params={"user_id": self.user})
        return {name: counted[name] for name in ("unread", "unseen", "total")}

    def sessions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/sessions", params={"user_id": self.user})["items"]
        return found

    def end_sessions(self) -> None:
        self._call("DELETE", "/v1/sessions", params={"user_id": self.user})

    def acknowledged(self) -> dict[str, str]:
        devices = self._call("GET", "/v1/devices", params={"user_id": self.user})["items"]
        return {device["device"]: device["position"] for device in devices}

    def _call(self, method: str, path: str, **how: Any) -> Any:
        with self.service.process.client() as client:
            answer = client.request(method, path, **how)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None
