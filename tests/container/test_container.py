"""The image and the compose file, proven as far as that goes without an engine."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from notify.settings import environment_names
from support.build_context import BuildContext
from support.containerfile import carry_out, stages

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
BUILD, IMAGE = stages(CONTAINERFILE)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that an engine would be sent."""
    folder = tmp_path_factory.mktemp("context")
    BuildContext(ROOT).copy_to(folder)
    return folder


@pytest.fixture(scope="module")
def installed(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image takes from the build stage, with everything else of that stage thrown away."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run([sys.executable, "-m", "venv", root / "usr/local"], check=True)
    steering = ("UV_", "VIRTUAL_ENV", "PYTHON", "NOTIFY_", "COVERAGE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    environment["PATH"] = f"{root}/usr/local/bin:/usr/bin:/bin"
    carry_out(BUILD, root=root, context=context, environment=environment)
    shutil.rmtree(root / BUILD.last("WORKDIR").text.lstrip("/"))
    return root / IMAGE.last("COPY").text.split()[0].lstrip("/")


def package(installed: Path) -> Path:
    (found,) = installed.glob("lib/python3*/site-packages/notify")
    return found


def test_the_installed_command_runs(installed: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    run = subprocess.run([installed / "bin/notify", "--version"], capture_output=True, text=True, check=False, env={})
    assert run.returncode == 0, run.stderr
    assert version in run.stdout


def test_every_file_of_the_package_is_installed(installed: Path, context: Path) -> None:
    source = context / "src" / "notify"
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert {path for path in wanted if not (package(installed) / path).is_file()} == set()


def test_the_migrations_are_inside_the_package(installed: Path, context: Path) -> None:
    wanted = {path.name for path in (context / "migrations").rglob("*.py")}
    assert wanted
    assert wanted <= {path.name for path in (package(installed) / "migrations").rglob("*.py")}


def test_nothing_for_development_is_installed(installed: Path) -> None:
    found = {path.name.partition("-")[0] for path in package(installed).parent.glob("*.dist-info")}
    assert "litestar" in found
    assert found & {"pytest", "coverage", "hypothesis", "mypy", "ruff", "uv", "pip", "schemathesis"} == set()


def test_the_environment_moves_between_stages_unchanged() -> None:
    # It holds absolute paths: to itself in its scripts, and to the interpreter of its base image.
    copied = IMAGE.last("COPY")
    assert copied.flags == {"from": BUILD.name}
    assert copied.text.split() == [BUILD.environment["UV_PROJECT_ENVIRONMENT"]] * 2
    assert IMAGE.environment["PATH"].split(":")[0] == f"{BUILD.environment['UV_PROJECT_ENVIRONMENT']}/bin"
    assert IMAGE.base == BUILD.base


def test_the_image_is_built_by_the_uv_of_the_lock() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    (locked,) = (package["version"] for package in packages if package["name"] == "uv")
    assert BUILD.last("ARG").pairs["UV_VERSION"] == locked


def test_the_service_is_not_root_and_stops_politely() -> None:
    assert IMAGE.last("USER").text not in {"root", "0"}
    assert IMAGE.steps.index(IMAGE.last("USER")) > IMAGE.steps.index(IMAGE.last("RUN"))
    assert IMAGE.last("STOPSIGNAL").text == "SIGTERM"
    assert IMAGE.last("CMD").arguments == ["notify", "serve"]


def test_what_the_image_declares_is_what_the_service_uses() -> None:
    assert IMAGE.last("EXPOSE").text == IMAGE.environment["PORT"]
    assert IMAGE.last("VOLUME").arguments == [IMAGE.environment["NOTIFY_DATA_DIR"]]


class Answering(BaseHTTPRequestHandler):
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that the base class gives it
        pass


@pytest.fixture(params=[200, 503])
def answering(request: pytest.FixtureRequest) -> Iterator[tuple[ThreadingHTTPServer, type[Answering]]]:
    handler = type("Handler", (Answering,), {"status": request.param, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, handler
        server.shutdown()
        thread.join()


def healthcheck(port: int) -> int:
    keyword, command = IMAGE.last("HEALTHCHECK").text.split(maxsplit=1)
    python, *arguments = json.loads(command)
    assert (keyword, python) == ("CMD", "python")
    # A proxy that the container is told of has no say in what the container asks itself.
    environment = {"PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False).returncode


def test_the_image_is_healthy_only_while_the_service_says_so(
    answering: tuple[ThreadingHTTPServer, type[Answering]],
) -> None:
    server, handler = answering
    assert (healthcheck(server.server_port) == 0) is (handler.status == 200)
    assert handler.asked == ["/health/live"]


def test_the_image_is_unhealthy_when_nothing_listens() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        port = server.server_port
    assert healthcheck(port) != 0


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("pyproject.toml", True),
        ("src/notify/core/position.py", True),
        ("src/notify/web/vendor/redoc/LICENSE", True),
        ("migrations/env.py", True),
        (".env", False),
        (".git/config", False),
        (".notify/admin.key", False),
        (".venv/bin/python", False),
        ("tests/container/test_container.py", False),
        ("src/notify/__pycache__/app.cpython-311.pyc", False),
    ],
)
def test_the_build_gets_what_the_wheel_is_made_of_and_no_secret(path: str, *, sent: bool) -> None:
    assert BuildContext(ROOT).has(path) is sent


def test_the_compose_file_fits_the_published_schema() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "NOTIFY_ADMIN_KEY", "NOTIFY_JWT_SECRET"])
def test_compose_refuses_to_start_without_a_secret(name: str) -> None:
    uses = re.findall(rf"\$\{{{name}(:\?[^}}]+)?", COMPOSE)
    assert uses
    assert all(uses), f"every ${{{name}}} needs a :?message"


def test_compose_publishes_ports_on_this_machine_only() -> None:
    published = re.findall(r'^ +- "(\S+:\d+)"$', COMPOSE, re.MULTILINE)
    assert published
    assert all(address.startswith("127.0.0.1:") for address in published)


def test_every_variable_that_image_and_compose_set_is_a_setting() -> None:
    named = set(re.findall(r"\b(?:NOTIFY_[A-Z_]+|DATABASE_URL|HOST|PORT)\b", COMPOSE + CONTAINERFILE))
    assert named > {"DATABASE_URL", "HOST", "NOTIFY_ADMIN_KEY"}
    assert named - environment_names() == set()
