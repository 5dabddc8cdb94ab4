"""nginx, Caddy and HAProxy with the configurations of docs/proxies, moved to ports and files of a test's own."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

import httpx

from support.documents import ROOT
from support.servers import require
from support.waiting import until

__all__ = ("PROXIES", "Certificate", "ReverseProxy", "free_port")

_UPSTREAM = "127.0.0.1:8000"
_SILENCE = "60s"


class Certificate:
    """For `localhost`, signed by itself."""

    def __init__(self, folder: Path) -> None:
        require(shutil.which("openssl"), "openssl")
        self.chain, self.key, self.bundle = folder / "chain.pem", folder / "key.pem", folder / "bundle.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
                *("-keyout", str(self.key), "-out", str(self.chain)),
            ],
            check=True,
            capture_output=True,
        )
        self.bundle.write_text(self.chain.read_text() + self.key.read_text())

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.chain))


class ReverseProxy:
    """`url` reaches the service behind it, over TLS."""

    program: ClassVar[str]
    file: ClassVar[str]

    def __init__(self, folder: Path, certificate: Certificate, upstream: str, *, silence: str = _SILENCE) -> None:
        # Where Debian puts servers, which is not on everybody's path.
        program = shutil.which(self.program, path=f"{os.environ['PATH']}:/usr/sbin")
        require(program, self.program)
        self._folder = folder / f"{self.program}-{free_port()}"
        self._folder.mkdir()
        self.certificate = certificate
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.access_log = self._folder / "access.log"
        self._output = self._folder / "output.log"
        text = (ROOT / "docs" / "proxies" / self.file).read_text(encoding="utf-8")
        changes = {_UPSTREAM: urlsplit(upstream).netloc, _SILENCE: silence, **self._changes()}
        for old, new in changes.items():
            assert old in text, f"{self.file} does not say {old!r}"
            text = text.replace(old, new)
        self._configuration = self._folder / self.file
        self._configuration.write_text(text)
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [str(program), *self._arguments(self._configuration)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self._folder), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""},
            )
        try:
            until(self._answers, 15, what=f"{self.program} in front of the service")
        except AssertionError as error:
            self.stop()
            raise AssertionError(self.logs()) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def logs(self) -> str:
        """Everything it wrote anywhere."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._folder.rglob("*.log")))

    def _changes(self) -> Mapping[str, str]:
        raise NotImplementedError

    def _arguments(self, configuration: Path) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"{self.program} ended"
        try:
            return httpx.get(f"{self.url}/health/ready", verify=self.certificate.trusting).is_success
        except httpx.TransportError:
            return False


class Nginx(ReverseProxy):
    program = "nginx"
    file = "nginx.conf"

    def _changes(self) -> Mapping[str, str]:
        temporary = "".join(
            f"{name}_temp_path {self._folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return {
            "user www-data;": f"daemon off; pid {self._folder}/pid;",
            "worker_processes auto;\nworker_rlimit_nofile 65536;": "worker_processes 1;",
            "worker_connections 16384;": "worker_connections 512;",
            "/var/log/nginx/error.log": str(self._folder / "error.log"),
            "/var/log/nginx/access.log": str(self.access_log),
            "http {": "http { " + temporary,
            "  listen 443": f"  listen 127.0.0.1:{self.port}",
            "/etc/ssl/notify/fullchain.pem": str(self.certificate.chain),
            "/etc/ssl/notify/privkey.pem": str(self.certificate.key),
        }

    def _arguments(self, configuration: Path) -> list[str]:
        return ["-p", str(self._folder), "-e", "stderr", "-c", str(configuration)]


class Caddy(ReverseProxy):
    program = "caddy"
    file = "Caddyfile"

    def _changes(self) -> Mapping[str, str]:
        return {
            "\n{\n": "\n{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {\n\t\tprotocols h1 h2\n\t}\n",
            "/var/log/caddy/notify.log": str(self.access_log),
            "notify.example {\n": (
                f"https://localhost:{self.port} {{\n\tbind 127.0.0.1\n"
                f"\ttls {self.certificate.chain} {self.certificate.key}\n"
            ),
        }

    def _arguments(self, configuration: Path) -> list[str]:
        return ["run", "--adapter", "caddyfile", "--config", str(configuration)]


class HAProxy(ReverseProxy):
    program = "haproxy"
    file = "haproxy.cfg"

    def _changes(self) -> Mapping[str, str]:
        return {
            "    user haproxy\n    group haproxy\n": "",
            "log /dev/log local0": "log stdout format raw local0",
            "maxconn 16384": "maxconn 512",
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/ssl/notify/bundle.pem": str(self.certificate.bundle),
        }

    def _arguments(self, configuration: Path) -> list[str]:
        return ["-db", "-f", str(configuration)]


PROXIES: tuple[Callable[..., ReverseProxy], ...] = (Nginx, Caddy, HAProxy)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
