"""Every setting: documented, bounded, and wrong ones told in one line each, without their value."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from notify.settings import (
    SECRETS,
    Settings,
    SettingsError,
    allowed,
    documentation,
    environment_names,
    load,
    unknown_names,
)

README = Path(__file__).parents[2] / "README.md"
FIELDS = Settings.__struct_fields__
NO_SECRETS = {"key_requests_per_second", "key_burst"}
URL = "postgresql://user:password@host/database"
SMALLEST_AND_LARGEST = {
    "port": (0, 65535),
    "database_pool_size": (2, 200),
    "resource_pool_size": (1, 50),
    "database_timeout_seconds": (0.1, 4.5),
    "database_wait_seconds": (0, 600),
    "max_body_bytes": (1024, 64 * 1024 * 1024),
    "max_recipients": (1, 1000),
    "max_batch_items": (1, 1000),
    "max_batch_recipients": (1, 100_000),
    "max_text_bytes": (1, 1024 * 1024),
    "max_data_bytes": (2, 1024 * 1024),
    "max_data_depth": (1, 64),
    "commit_rows": (1, 500),
    "write_queue_rows": (1, 1_000_000),
    "idempotency_hours": (1, 720),
    "tombstone_days": (0, 3650),
    "outbox_rows": (1, 500),
}


def problems(environment: dict[str, str], **options: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environment, **options)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_every_setting_has_its_meaning_in_a_sentence() -> None:
    assert list(documentation()) == list(FIELDS)
    for field, meaning in documentation().items():
        assert meaning[0].isupper(), field
        assert meaning.endswith("."), field
        assert "\n" not in meaning
        assert "  " not in meaning


@pytest.mark.parametrize("field", FIELDS)
def test_every_setting_says_what_it_takes(field: str) -> None:
    words = allowed(field)
    assert words
    assert "None" not in words


def test_the_units_are_in_the_names() -> None:
    for field in FIELDS:
        if any(word in documentation()[field] for word in ("in bytes", "in days", "in hours", "How long")):
            assert field.endswith(("_bytes", "_seconds", "_days", "_hours")), field


def test_an_empty_environment_is_the_defaults() -> None:
    assert load({}) == Settings()
    assert load({"NOTIFY_PORT": "", "DATABASE_URL": "  ", "NOTIFY_ADMIN_KEY": ""}) == Settings()


def test_every_default_is_within_its_own_bounds() -> None:
    defaults = Settings()
    assert msgspec.convert(msgspec.structs.asdict(defaults), Settings) == defaults


@pytest.mark.parametrize(("field", "bounds"), SMALLEST_AND_LARGEST.items())
def test_the_bounds_themselves_are_taken_and_what_is_past_them_is_not(field: str, bounds: tuple[float, float]) -> None:
    name = f"NOTIFY_{field.upper()}"
    for value in bounds:
        assert getattr(load({name: f"{value}"}), field) == value
    for value in (bounds[0] - 1, bounds[1] + 1):
        (problem,) = problems({name: f"{value}"})
        assert problem.startswith(f"{name}: expected a ")
        assert f"{bounds[0]:g}" in problem.replace(f"{bounds[0]}", f"{bounds[0]:g}")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NOTIFY_PORT", "http", "a whole number from 0 to 65535"),
        ("NOTIFY_PORT", "80.5", "a whole number from 0 to 65535"),
        ("PORT", "70000", "a whole number from 0 to 65535"),
        ("NOTIFY_DATABASE_URL", "mysql://u:hunter2@h/db", "a URL that begins with postgresql://"),
        ("DATABASE_URL", "hunter2", "a URL that begins with postgresql://"),
        ("NOTIFY_LISTEN_DATABASE_URL", "hunter2", "a URL that begins with postgresql://"),
        ("NOTIFY_SCHEMA", "Robert'); DROP", "up to 48 small letters"),
        ("NOTIFY_SCHEMA", "a" * 49, "up to 48 small letters"),
        ("NOTIFY_AUTO_MIGRATE", "maybe", "true or false"),
        ("NOTIFY_DATABASE_TIMEOUT_SECONDS", "nan", "a number from 0.1 to 4.5"),
        ("NOTIFY_HOUSEKEEPING_SECONDS", "-1", "a number above 0, to 3600"),
        ("NOTIFY_HOUSEKEEPING_SECONDS", "inf", "a number above 0, to 3600"),
        ("NOTIFY_ADMIN_KEY", "hunter2", "at least 20 characters"),
        ("NOTIFY_JWT_SECRET", "hunter2" * 4, "at least 32 characters"),
        ("NOTIFY_CORS_ORIGINS", "https://a.example, b.example", "an origin such as https://shop.example"),
        ("NOTIFY_CORS_ORIGINS", "https://a.example/", "an origin such as https://shop.example"),
        ("NOTIFY_CORS_ORIGINS", "https://*.example", "an origin such as https://shop.example"),
        ("NOTIFY_CORS_ORIGINS", "https://*shop.example", "an origin such as https://shop.example"),
        ("NOTIFY_CORS_ORIGINS", "https://a.*.example", "an origin such as https://shop.example"),
        ("NOTIFY_CORS_ORIGINS", "https://*.*.shop.example", "an origin such as https://shop.example"),
        ("NOTIFY_ALLOWED_HOSTS", "https://notify.example", "a host such as notify.example"),
        ("NOTIFY_ALLOWED_HOSTS", "notify.example:8000", "a host such as notify.example"),
        ("NOTIFY_ALLOWED_HOSTS", "*:8000", "a host such as notify.example"),
        ("NOTIFY_ALLOWED_HOSTS", "a.*.example", "a host such as notify.example"),
        ("NOTIFY_LOG_LEVEL", "loud", "debug or info or warning or error"),
        ("NOTIFY_LOG_FORMAT", "xml", "auto or text or json"),
        ("NOTIFY_DATA_DIR", "~no-such-account/data", "a path"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable_and_what_is_allowed_and_never_the_value(
    name: str, value: str, words: str
) -> None:
    (problem,) = problems({name: value})
    assert problem.startswith(f"{name}: expected {words}")
    assert "\n" not in problem
    assert value not in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2/3@host/db",
        "postgresql://user:hunter2@3@host/db",
        "postgresql://user:hunter2#3@host/db",
        "postgresql://user:hunter2?3@host/db",
        "postgresql://user:hunter2 3@host/db",
        "postgresql://user@host:hunter2/db",
        "postgresql://[::1/db",
    ],
)
def test_a_url_whose_password_would_be_taken_for_something_else_is_refused(url: str) -> None:
    (problem,) = problems({"DATABASE_URL": url})
    assert "percent-encoded" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%40ss%2Fword@host:5432/db?sslmode=require",
        "postgres://host",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://user:pass@/db?host=/tmp/a%20b&port=5432",
        "postgresql://user@one:5432,two:5433/db?target_session_attrs=read-write",
        "postgresql://[::1]:5432/db",
        "postgresql://user:a:b!$&'()*+,;=-._~@host/db",
    ],
)
def test_what_postgresql_takes_for_a_url_is_taken(url: str) -> None:
    assert load({"DATABASE_URL": url}).database_url == url


def test_each_problem_is_told() -> None:
    found = problems({"PORT": "x", "NOTIFY_LOG_LEVEL": "x", "NOTIFY_ADMIN_KEY": "x"})
    assert [problem.partition(":")[0] for problem in found] == ["PORT", "NOTIFY_ADMIN_KEY", "NOTIFY_LOG_LEVEL"]


def test_settings_that_contradict_each_other_are_told() -> None:
    (problem,) = problems({"NOTIFY_TOKEN_TTL_SECONDS": "100", "NOTIFY_MAX_TOKEN_TTL_SECONDS": "99"})
    assert "at most NOTIFY_MAX_TOKEN_TTL_SECONDS" in problem
    (problem,) = problems({"NOTIFY_LISTEN_DATABASE_URL": URL})
    assert "NOTIFY_DATABASE_URL beside it" in problem


@pytest.mark.parametrize(
    ("field", "alias", "value"),
    [("database_url", "DATABASE_URL", URL), ("port", "PORT", "81"), ("host", "HOST", "::1")],
)
def test_the_usual_names_work_too_and_ours_come_first(field: str, alias: str, value: str) -> None:
    own = f"NOTIFY_{field.upper()}"
    assert f"{getattr(load({alias: value}), field)}" == value
    other = {"database_url": URL + "2", "port": "82", "host": "::2"}[field]
    assert f"{getattr(load({alias: value, own: other}), field)}" == other


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("FALSE", False), ("0", False), (" false ", False)],
)
def test_true_and_false_may_be_written_in_several_ways(text: str, value: bool) -> None:  # noqa: FBT001
    assert load({"NOTIFY_AUTO_MIGRATE": text}).auto_migrate is value


def test_a_list_is_separated_by_commas() -> None:
    given = " https://a.example , http://localhost:3000,, *"
    assert load({"NOTIFY_CORS_ORIGINS": given}).cors_origins == ["https://a.example", "http://localhost:3000", "*"]


def test_a_path_is_made_absolute_and_knows_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load({"NOTIFY_DATA_DIR": "~/data"}).data_dir == tmp_path / "data"
    assert load({"NOTIFY_DATA_DIR": "data"}).data_dir == tmp_path / "data"


def test_a_file_fills_in_what_the_environment_leaves_open(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nexport NOTIFY_PORT=81\nNOTIFY_HOST='::1'\nDATABASE_URL=\"" + URL + '"\nNOTIFY_LOG_LEVEL=\n'
    )
    found = load({"NOTIFY_HOST": "127.0.0.2"}, env_file=file)
    assert (found.port, found.host, found.database_url, found.log_level) == (81, "127.0.0.2", URL, "info")


def test_whatever_name_the_environment_uses_it_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"NOTIFY_PORT=81\nNOTIFY_DATABASE_URL={URL}\n")
    found = load({"PORT": "82", "DATABASE_URL": URL + "2"}, env_file=file)
    assert (found.port, found.database_url) == (82, URL + "2")


def test_a_problem_in_the_file_is_told_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("NOTIFY_PORT=http\n")
    assert problems({}, env_file=file) == ["NOTIFY_PORT: expected a whole number from 0 to 65535."]


def test_a_file_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert load({}, env_file=tmp_path / ".env") == Settings()
    assert load({}, env_file=tmp_path) == Settings(), "a folder of that name is no file"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"NOTIFY_HOST=\xff\xfe\n")
    (problem,) = problems({}, env_file=file)
    assert problem == f"{file}: expected a text file in UTF-8 that can be read."


def test_names_that_look_like_ours_and_are_not_are_found(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("NOTIFY_PROT=1\nOTHER=2\n")
    environment = {"NOTIFY_DATABSE_URL": "x", "NOTIFY_PORT": "1", "NOTIFICATIONS": "2", "PORT": "3", "HOME": "/"}
    assert unknown_names(environment) == ["NOTIFY_DATABSE_URL"]
    assert unknown_names(environment, env_file=file) == ["NOTIFY_DATABSE_URL", "NOTIFY_PROT"]


def test_every_name_of_a_setting_is_known() -> None:
    names = environment_names()
    assert {f"NOTIFY_{field.upper()}" for field in FIELDS} | {"DATABASE_URL", "PORT", "HOST"} == names
    assert unknown_names(dict.fromkeys(names, "")) == []


def test_what_could_be_a_secret_is_masked() -> None:
    for field in FIELDS:
        if any(word in field for word in ("secret", "url", "key")) and field not in NO_SECRETS:
            assert field in SECRETS, field


def test_the_limits_of_a_notification_are_settings() -> None:
    found = Settings(max_recipients=1, max_topics=2, max_text_bytes=3, max_data_bytes=4, max_data_depth=5).limits
    assert msgspec.structs.astuple(found) == (1, 2, 3, 4, 5)


def test_the_table_in_the_readme_is_what_the_code_says() -> None:
    """What `make docs` checks."""
    for arguments in (["settings", "--check", str(README)], ["settings", "--markdown"]):
        done = subprocess.run([sys.executable, "-m", "notify", *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    for field in FIELDS:
        assert f"| `NOTIFY_{field.upper()}` |" in README.read_text()
