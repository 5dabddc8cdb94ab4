"""A proxy in front of the service that loses answers: what was asked has been done, and nobody hears of it."""

import http.client
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

__all__ = ("LossyProxy", "Seen")


class Seen(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class LossyProxy:
    """`url` reaches the service. `lose` says how many of the next answers get lost, `seen` what was asked."""

    def __init__(self, upstream: str) -> None:
        self.lose = 0
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        self._upstream = urlsplit(upstream).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                proxy.pass_on(self)

            def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - its name there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.command, request.path, headers, body)
        upstream = http.client.HTTPConnection(self._upstream, timeout=10)
        try:
            upstream.request(seen.method, seen.path, body, {**headers, "connection": "close"})
            answer = upstream.getresponse()
            answered = answer.read()
        finally:
            upstream.close()
        with self._lock:
            self.seen.append(seen)
            is_lost = self.lose > 0
            self.lose -= is_lost
        if is_lost:
            request.close_connection = True
            return
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answered)
