"""Every setting: its name, default, unit, bounds and meaning. The README's table is generated from this file."""

import ast
import inspect
import re
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from dotenv import dotenv_values
from msgspec import Meta, Struct
from msgspec import inspect as inspect_types
from platformdirs import user_data_path

from notify.core.notification import Limits

__all__ = (
    "SECRETS",
    "Settings",
    "SettingsError",
    "allowed",
    "documentation",
    "environment_names",
    "load",
    "unknown_names",
)

Seconds = Annotated[float, Meta(gt=0, le=3600)]
PerSecond = Annotated[float, Meta(ge=0, le=1_000_000)]


# Strict about the characters that a password may not have as they are: what follows one of them would be taken for a
# host, a port or a database, and shown in messages.
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^@/?#:,\[\]\s]*)(:\d*)?"
_POSTGRES_URL = rf"^postgres(ql)?://([^@/?#\s]*@)?{_HOST}(,{_HOST})*(/[^@/?#\s]*)?(\?[^#\s]*)?$"
# `*.` stands for names below one that has a dot: nobody means every page of `https://*.com`.
_ORIGIN = r"^(\*|https?://(\*\.[a-z0-9_\-]+\.)?[^/\s*]+)$"
_HOST_NAME = r"^(\*\.)?[A-Za-z0-9_.\-]+$|^\[[0-9A-Fa-f:.]+\]$"
_NETWORK = r"^([0-9.]{7,15}|[0-9A-Fa-f:.]{2,45})(/[0-9]{1,3})?$"
_KEY = r"^[A-Za-z0-9_\-]{43}=?$"
_NAME = r"^[a-z_][a-z0-9_]{0,47}$"


class Settings(Struct, frozen=True, kw_only=True):
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Address to listen on. `HOST` works too."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """TCP port to listen on; 0 takes any free one. `PORT` works too."""

    data_dir: Path = msgspec.field(default_factory=lambda: user_data_path("notify", appauthor=False))
    """Folder of the generated admin key and, without a database URL, of the embedded PostgreSQL."""

    database_url: Annotated[str, Meta(pattern=_POSTGRES_URL)] | None = None
    """PostgreSQL (15 or newer) to use, `postgresql://user:password@host/database`. Unset: an embedded one in the data
    folder. `DATABASE_URL` works too."""

    listen_database_url: Annotated[str, Meta(pattern=_POSTGRES_URL)] | None = None
    """PostgreSQL for LISTEN when the database URL goes through a transaction pooler, which cannot carry it. Unset: the
    database URL."""

    prepared_statements: bool = True
    """Prepare statements. Turn it off behind a transaction pooler that does not track them."""

    schema: Annotated[str, Meta(pattern=_NAME)] = "notify"
    """PostgreSQL schema that everything of ours lives in. It names the LISTEN channel and the producer role too."""

    auto_migrate: bool = True
    """Migrate the database at start. Off: `notify migrate up` does it, and the start refuses a schema that is
    behind."""

    database_pool_size: Annotated[int, Meta(ge=2, le=200)] = 8
    """Connections per process for statements on inboxes, the writer's own included."""

    resource_pool_size: Annotated[int, Meta(ge=1, le=50)] = 2
    """Connections per process for apps and keys."""

    database_timeout_seconds: Annotated[float, Meta(ge=0.1, le=4.5)] = 4.0
    """How long a request waits for the database before it is answered with 503."""

    database_wait_seconds: Annotated[float, Meta(ge=0, le=600)] = 15.0
    """How long the start waits for a database that does not answer yet."""

    admin_key: Annotated[str, Meta(min_length=20)] | None = None
    """Key with every scope in the default app, which alone makes apps; at least 20 characters. Unset: one is generated
    into `admin.key` in the data folder."""

    jwt_secret: Annotated[str, Meta(min_length=32)] | None = None
    """Secret that signs the user tokens of the default app (HS256), at least 32 bytes. Unset: one is generated and kept
    in the database."""

    jwt_secret_before: Annotated[str, Meta(min_length=32)] | None = None
    """The value that NOTIFY_JWT_SECRET had before, for as long as tokens signed with it should be taken."""

    encryption_key: list[Annotated[str, Meta(pattern=_KEY)]] = []
    """Encrypts the secrets in the database (AES-256-GCM): 32 random bytes in base64url. Or several, separated by
    commas: the first encrypts, each decrypts. Empty: they are kept as they are."""

    jwks_private_addresses: bool = False
    """Let the URLs of apps' public keys lead to private and loopback addresses, for an identity provider in one's own
    network."""

    token_leeway_seconds: Annotated[int, Meta(ge=0, le=300)] = 10
    """How far ahead of ours the clocks of those who sign user tokens may be, in seconds. When a token expires goes by
    ours alone."""

    token_ttl_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] = 900
    """How long a user token lives when its maker names no time."""

    max_token_ttl_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] = 86_400
    """The longest life of a user token, whoever signed it; one that lives longer is refused."""

    cors_origins: list[Annotated[str, Meta(pattern=_ORIGIN)]] = []
    """Origins, separated by commas, whose pages may call the service; `https://*.shop.example` means every host below
    shop.example, `*` means any origin, then without credentials. Empty: none."""

    allowed_hosts: list[Annotated[str, Meta(pattern=_HOST_NAME)]] = []
    """Names, separated by commas, by which the service may be called; `*.shop.example` means every host below
    shop.example. What else a `Host` header says is answered with 421, except at `/health/…` and `/metrics`. Empty:
    any."""

    trusted_proxies: list[Annotated[str, Meta(pattern=_NETWORK)]] = []
    """Addresses or networks, separated by commas, of proxies in front. From them, and from nobody else, the address of
    a client is taken from `X-Forwarded-For`."""

    max_body_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 256 * 1024
    """Largest request body, in bytes."""

    max_batch_body_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Largest body of a batch, in bytes."""

    body_timeout_seconds: Seconds = 10.0
    """How long a request body may take to arrive."""

    max_recipients: Annotated[int, Meta(ge=1, le=1000)] = 1000
    """Users that one create may name."""

    max_peer_recipients: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Users that one create may name when it is another user's, whose token has the scope `send` and not the role
    `admin`."""

    max_topics: Annotated[int, Meta(ge=1, le=1000)] = 100
    """Topics that one create may name."""

    late_entries: Annotated[int, Meta(ge=0, le=1000)] = 5
    """Of what was sent to everyone before a user first shows up, the newest so many are theirs too."""

    late_seconds: Annotated[int, Meta(ge=0, le=31_536_000)] = 3600
    """And of those only what is not older, in seconds."""

    max_batch_items: Annotated[int, Meta(ge=1, le=1000)] = 1000
    """Creates in one batch."""

    max_batch_recipients: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    """Users that all creates of a batch may name together."""

    max_subscriptions_per_call: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    """Subscriptions that one call may make."""

    max_subscriptions_per_user: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Topics and patterns that one user may be subscribed to."""

    max_text_bytes: Annotated[int, Meta(ge=1, le=1024 * 1024)] = 8 * 1024
    """Largest text (`body`) of a notification, in bytes of UTF-8."""

    max_data_bytes: Annotated[int, Meta(ge=2, le=1024 * 1024)] = 16 * 1024
    """Largest `data` of a notification, in bytes of JSON."""

    max_data_depth: Annotated[int, Meta(ge=1, le=64)] = 32
    """Deepest nesting within `data`."""

    key_requests_per_second: PerSecond = 1000.0
    """Requests that one API key may make per second in the long run; 0: any number. The admin key always may."""

    key_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 2000
    """Requests that one API key may make at once before that counts."""

    user_requests_per_second: PerSecond = 100.0
    """Requests, and creates over a WebSocket, that one user may make with tokens per second in the long run; 0: any
    number."""

    user_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """Requests that one user may make at once before that counts."""

    recipient_creates_per_second: PerSecond = 100.0
    """Creates per second in the long run that may name one user; 0: any number. What comes by the outbox or to a topic
    is not counted."""

    recipient_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """Creates that may name one user at once before that counts."""

    failed_credentials_per_second: PerSecond = 1.0
    """Wrong credentials from one address, IPv6 by /64, per second in the long run; from then on they are answered with
    429, and the admin key is not taken from there. 0: any number."""

    failed_credentials_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 50
    """Wrong credentials from one address at once before that counts."""

    max_buckets: Annotated[int, Meta(ge=1000, le=10_000_000)] = 100_000
    """Callers, users and addresses that each of these limits remembers; of more, those that were away for longest are
    forgotten."""

    max_requests: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000
    """Requests under way in a process, without live connections and those whose body is still to come; one more is
    answered with 503. 0: any number."""

    edits_per_second: Annotated[float, Meta(ge=1, le=1000)] = 4.0
    """Edits of one notification that a process writes per second; those that come faster are merged."""

    commit_rows: Annotated[int, Meta(ge=1, le=500)] = 500
    """Rows that one group commit may hold."""

    write_queue_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    """Rows that may wait for a group commit before writes are answered with 503."""

    idempotency_hours: Annotated[int, Meta(ge=1, le=720)] = 24
    """How long the answer to an `Idempotency-Key` is kept, in hours."""

    tombstone_days: Annotated[int, Meta(ge=0, le=3650)] = 30
    """How long a deleted notification is remembered, in days, for clients that were away. Those that stay away longer
    start fresh."""

    device_days: Annotated[int, Meta(ge=1, le=3650)] = 180
    """How long a named device that is not seen any more keeps its place, in days."""

    retention_read_days: Annotated[int, Meta(ge=0, le=36_500)] = 180
    """How long a notification that was read or archived stays, in days from its arrival, before it is deleted; 0: for
    ever. What an app says at `/v1/retention` counts instead."""

    retention_unread_days: Annotated[int, Meta(ge=0, le=36_500)] = 365
    """The same for one that was not read."""

    retention_hours: Annotated[int, Meta(ge=1, le=720)] = 24
    """How long after a round of looking for such notifications the next one begins, in hours."""

    publication_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    """How long what was published to topics or to everyone can still be pulled, edited and recalled, in days from its
    publication or its last edit."""

    audit_days: Annotated[int, Meta(ge=1, le=36_500)] = 365
    """How long the audit log, and the receipts of exports and erasures, are kept, in days."""

    housekeeping_seconds: Seconds = 300.0
    """Pause between two rounds of removing old tombstones, publications and idempotency answers."""

    outbox_doorbell: bool = True
    """Let an INSERT into the outbox wake the service within the producer's transaction. Off: the outbox is only polled,
    and a producer's COMMIT never waits for another's."""

    outbox_poll_seconds: Seconds = 5.0
    """How often the outbox is looked at even if nothing rang."""

    outbox_rows: Annotated[int, Meta(ge=1, le=500)] = 500
    """Rows of the outbox that are claimed at a time."""

    safety_poll_seconds: Seconds = 5.0
    """How often followed inboxes are compared with the database, in case a ring was missed."""

    keep_alive_seconds: Seconds = 15.0
    """Silence on a stream after which a comment is sent, so that nothing between takes it for dead."""

    send_timeout_seconds: Seconds = 30.0
    """How long a client may leave what it is sent untaken before it is dropped; it resumes without loss."""

    max_connections_per_user: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    """Live connections that a process keeps open for one user; with one more the oldest leaves. 0: any number."""

    max_connections_per_address: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    """Live connections of a process from one address, IPv6 by /64, other than this machine's own; one more is told to
    come back later. 0: any number."""

    max_connections: Annotated[int, Meta(ge=0, le=10_000_000)] = 100_000
    """Live connections of a process; one more is told to come back later. 0: any number."""

    connects_per_second: PerSecond = 1000.0
    """Live connections that a process opens per second in the long run; 0: any number."""

    connect_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 2000
    """Live connections that a process opens at once before that counts."""

    max_sockets: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    """TCP connections of a process, whatever they are for; beyond, only health is answered. 0: as many as it may have
    files open, less what it needs itself."""

    head_timeout_seconds: Seconds = 10.0
    """How long a new connection may take to send its first request's path and headers, and any later request from its
    first byte on."""

    presence_seconds: Annotated[float, Meta(ge=1, le=600)] = 30.0
    """How long after its last sign of life the connections of a process count; then its users are no longer online."""

    feed_grace_seconds: Seconds = 30.0
    """How long an inbox that nobody follows any more is kept in memory."""

    tail_bytes: Annotated[int, Meta(ge=0, le=64 * 1024 * 1024)] = 256 * 1024
    """Memory for the newest events of one followed inbox, in bytes."""

    all_tails_bytes: Annotated[int, Meta(ge=0, le=16 * 1024 * 1024 * 1024)] = 64 * 1024 * 1024
    """Memory for the newest events of all followed inboxes, in bytes."""

    broadcast_bytes: Annotated[int, Meta(ge=4 * 1024 * 1024, le=1024 * 1024 * 1024)] = 16 * 1024 * 1024
    """Memory for the newest broadcasts, which are shown while the database is away, in bytes."""

    heartbeat_seconds: Annotated[int, Meta(ge=1, le=3600)] = 25
    """How often a WebSocket is sent a ping, in seconds."""

    heartbeat_timeout_seconds: Seconds = 20.0
    """How long a WebSocket's client may leave a ping unanswered before it is dropped; it resumes without loss."""

    socket_message_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 64 * 1024
    """Largest message that a WebSocket's client may send, in bytes; a larger one closes the connection."""

    socket_messages_per_second: Annotated[float, Meta(gt=0, le=100_000)] = 50.0
    """Messages that a WebSocket's client may send per second in the long run; what comes faster waits to be read."""

    socket_burst: Annotated[int, Meta(ge=1, le=100_000)] = 100
    """Messages that a WebSocket's client may send at once before it is slowed down."""

    socket_most_malformed: Annotated[int, Meta(ge=1, le=100_000)] = 20
    """Messages in a row that make no sense, after which a WebSocket is closed."""

    drain_seconds: Annotated[float, Meta(ge=0, le=600)] = 5.0
    """Over how long live connections are sent away when the service stops."""

    shutdown_seconds: Seconds = 10.0
    """How long requests under way may take to finish when the service stops."""

    demo: bool = True
    """Show developers a demo at `/`, with a key of its own: only with the embedded database, in one process, on a
    loopback address, to browsers on this machine. Turn it off where a proxy on this machine makes the service
    public."""

    doctor: bool = True
    """Answer at `/doctor`, which measures a visitor's path to the service, without credentials. At most 32 of its
    connections are open in a process, and 6 from one address."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important line to log."""

    log_format: Literal["auto", "text", "json"] = "auto"
    """How log lines look; `auto` is text on a terminal and JSON otherwise."""

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """The first signs, each verifies."""
        return tuple(secret for secret in (self.jwt_secret, self.jwt_secret_before) if secret is not None)

    @property
    def limits(self) -> Limits:
        return Limits(
            self.max_recipients, self.max_topics, self.max_text_bytes, self.max_data_bytes, self.max_data_depth
        )


SECRETS = frozenset(
    {"database_url", "listen_database_url", "admin_key", "jwt_secret", "jwt_secret_before", "encryption_key"}
)

_PATTERNS = {
    _POSTGRES_URL: "a URL that begins with postgresql://, `/`, `@` and the like in its password percent-encoded",
    _ORIGIN: "an origin such as https://shop.example or https://*.shop.example, or *",
    _HOST_NAME: "a host such as notify.example or *.shop.example, without a port",
    _NETWORK: "an address or a network such as 10.0.0.0/8",
    _KEY: "32 bytes in base64url (43 characters)",
    _NAME: "up to 48 small letters, digits and underscores",
}
_ORDER = ("auto", "debug", "info", "warning", "error", "text", "json")
_CLIENT_NAMES = frozenset({"NOTIFY_URL", "NOTIFY_API_KEY"})
"""What `notify send` and `notify tail` look for, which are clients of a service and not settings of one."""

_ALIASES = {"database_url": "DATABASE_URL", "port": "PORT", "host": "HOST"}
_PREFIX = "NOTIFY_"


class SettingsError(Exception):
    """Some settings are wrong; one line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def load(environment: Mapping[str, str], *, env_file: Path | None = None) -> Settings:
    """The settings of this environment; what it does not set, `env_file` may."""
    sources = _present(environment), _present(_written_in(env_file))
    types = get_type_hints(Settings, include_extras=True)
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for field in Settings.__struct_fields__:
        found = [(name, values[name]) for values in sources for name in _names_of(field) if name in values]
        if not found:
            continue
        name, text = found[0]
        try:
            fields[field] = _parsed(types[field], text)
        except (msgspec.ValidationError, ValueError, RuntimeError):
            # Without the value: it may be a secret.
            problems.append(f"{name}: expected {allowed(field)}.")
    if not problems:
        problems = _contradictions(Settings(**fields))
    if problems:
        raise SettingsError(problems)
    return Settings(**fields)


def allowed(field: str) -> str:
    """What values a setting takes, in words."""
    return _in_words(inspect_types.type_info(get_type_hints(Settings, include_extras=True)[field]))


def environment_names() -> frozenset[str]:
    """Every variable that is a setting."""
    return frozenset(name for field in Settings.__struct_fields__ for name in _names_of(field))


def unknown_names(environment: Mapping[str, str], *, env_file: Path | None = None) -> list[str]:
    """Variables that look like ours and are not: most likely a slip of the finger."""
    known = environment_names() | _CLIENT_NAMES
    return sorted(
        name
        for name in {*environment, *_written_in(env_file)}
        if name.startswith(_PREFIX) and name not in known and not name.startswith("NOTIFY_TEST_")
    )


@cache
def documentation() -> Mapping[str, str]:
    """Each setting's attribute docstring, on one line."""
    body = ast.parse(inspect.getsource(Settings)).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - tells the type checker what getsource gives
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                found[name] = re.sub(r"\s+", " ", meaning)
            case _:
                pass
    return found


def _names_of(field: str) -> tuple[str, ...]:
    own = _PREFIX + field.upper()
    return (own, _ALIASES[field]) if field in _ALIASES else (own,)


def _written_in(env_file: Path | None) -> Mapping[str, str | None]:
    if env_file is None or not env_file.is_file():
        return {}
    try:
        return dotenv_values(env_file)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{env_file}: expected a text file in UTF-8 that can be read."]) from error


def _present(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value.strip() for name, value in variables.items() if value is not None and value.strip()}


def _parsed(expected: Any, text: str) -> Any:
    if expected is Path:
        return Path(text).expanduser().absolute()
    if getattr(expected, "__origin__", None) is list:
        items = [item.strip() for item in text.split(",") if item.strip()]
        return msgspec.convert(items, expected, strict=False)
    return msgspec.convert(text.lower() if expected is bool else text, expected, strict=False)


def _in_words(type_: inspect_types.Type) -> str:  # noqa: C901 - a table, one line each
    match type_:
        case inspect_types.UnionType(types=options):
            words = next(_in_words(option) for option in options if not isinstance(option, inspect_types.NoneType))
        case inspect_types.Metadata(type=inner):
            words = _in_words(inner)
        case inspect_types.BoolType():
            words = "true or false"
        case inspect_types.IntType(ge=least, le=most):
            words = f"a whole number from {least} to {most}"
        case inspect_types.FloatType(gt=None, ge=least, le=most):
            words = f"a number from {least:g} to {most:g}"
        case inspect_types.FloatType(gt=above, le=most):
            words = f"a number above {above:g}, to {most:g}"
        case inspect_types.LiteralType(values=values):
            words = " or ".join(sorted((str(value) for value in values), key=_ORDER.index))
        case inspect_types.StrType(pattern=str(pattern)):
            words = _PATTERNS[pattern]
        case inspect_types.StrType(min_length=int(least)) if least > 1:
            words = f"at least {least} characters"
        case inspect_types.ListType(item_type=item):
            words = f"{_in_words(item)}, or several separated by commas"
        case inspect_types.CustomType():
            words = "a path"
        case _:
            words = "text"
    return words


def _contradictions(settings: Settings) -> list[str]:
    problems: list[str] = []
    if settings.token_ttl_seconds > settings.max_token_ttl_seconds:
        problems.append("NOTIFY_TOKEN_TTL_SECONDS: expected at most NOTIFY_MAX_TOKEN_TTL_SECONDS")
    if settings.jwt_secret_before and not settings.jwt_secret:
        problems.append("NOTIFY_JWT_SECRET_BEFORE: expected NOTIFY_JWT_SECRET beside it")
    if settings.listen_database_url and not settings.database_url:
        problems.append("NOTIFY_LISTEN_DATABASE_URL: expected NOTIFY_DATABASE_URL beside it")
    if not all(map(_is_network, settings.trusted_proxies)):
        problems.append(f"NOTIFY_TRUSTED_PROXIES: expected {allowed('trusted_proxies')}")
    return problems


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
